import type { ApiUnauthorized } from './api-client.ts';
import type { Person } from './browser-sessions.ts';
import type { IdentityProvider, Tokens } from './identity-provider.ts';

/** A token about to expire is renewed before it can expire on the way. */
const MARGIN_MS = 10_000;

/**
 * Tokens for the API, kept fresh. They are other tokens than those for userinfo: each is good at one place only, so the
 * API could do nothing with what it is shown but serve the call.
 */
export class ApiAccess {
  readonly #provider: IdentityProvider;
  readonly #resource: string;

  constructor(provider: IdentityProvider, resource: string) {
    this.#provider = provider;
    this.#resource = resource;
  }

  /**
   * Calls the API with a good token, once more with a new one when it was refused.
   *
   * @returns `undefined` when the person must connect the API first, or again
   */
  async use<Result>(person: Person, call: (accessToken: string) => Promise<Result>): Promise<Result | undefined> {
    try {
      const tokens = await this.#goodTokens(person);
      if (tokens === undefined) return undefined;
      return await call(tokens.accessToken).catch(async (error) => {
        if (!isUnauthorized(error) || tokens.refreshToken === undefined) throw error;
        return call((await this.refresh(person)).accessToken);
      });
    } catch (error) {
      if (!isUnauthorized(error) && !isOver(error)) throw error;
      person.apiTokens = undefined;
      return undefined;
    }
  }

  async refresh(person: Person): Promise<Tokens> {
    const tokens = await this.#provider.refresh(person.apiTokens as Tokens, this.#resource);
    person.apiTokens = tokens;
    return tokens;
  }

  async #goodTokens(person: Person): Promise<Tokens | undefined> {
    const tokens = person.apiTokens;
    if (tokens === undefined || tokens.expiresAt > Date.now() + MARGIN_MS) return tokens;
    return tokens.refreshToken === undefined ? undefined : this.refresh(person);
  }
}

function isUnauthorized(error: unknown): error is ApiUnauthorized {
  return (error as { name?: unknown } | null)?.name === 'ApiUnauthorized';
}

/** The refresh token was revoked or has expired. */
function isOver(error: unknown): boolean {
  return (error as { error?: unknown } | null)?.error === 'invalid_grant';
}
