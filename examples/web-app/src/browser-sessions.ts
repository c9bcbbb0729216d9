import { randomBytes } from 'node:crypto';
import type { SignInAttempt, Tokens } from './identity-provider.ts';

/** What the server knows of one browser. Tokens stay here and never reach the page. */
export interface BrowserSession {
  /** Every form carries it; another site cannot read it. */
  readonly csrfToken: string;
  /** Authorization requests under way, by their `state`. Several, because people open several tabs. */
  readonly attempts: Map<string, SignInAttempt>;
  person?: Person | undefined;
  /** Shown once, on the next page. */
  notice?: string | undefined;
  lastUsed: number;
}

export interface Person {
  readonly subject: string;
  /** From the ID token. */
  readonly idTokenClaims: Readonly<Record<string, unknown>>;
  /** From the userinfo endpoint. */
  userInfo: Readonly<Record<string, unknown>>;
  /** For the provider's own userinfo endpoint. */
  tokens: Tokens;
  /** For the API, once it has been connected. */
  apiTokens?: Tokens | undefined;
}

const MAX_SESSIONS = 10_000;
const MAX_IDLE_MS = 8 * 3_600_000;

/** Sessions in memory: enough for a sample, gone after a restart. In the order of last use. */
export class BrowserSessions {
  readonly #sessions = new Map<string, BrowserSession>();

  find(id: string | undefined): BrowserSession | undefined {
    if (id === undefined) return undefined;
    const session = this.#sessions.get(id);
    if (session === undefined) return undefined;
    this.#sessions.delete(id);
    if (Date.now() - session.lastUsed > MAX_IDLE_MS) return undefined;
    session.lastUsed = Date.now();
    this.#sessions.set(id, session);
    return session;
  }

  create(): string {
    const csrfToken = randomBytes(32).toString('base64url');
    return this.#add({ csrfToken, attempts: new Map(), lastUsed: Date.now() });
  }

  /** A new id at sign-in: one that somebody planted in the browser before is worth nothing afterwards. */
  renew(id: string): string {
    const session = this.#sessions.get(id) as BrowserSession;
    this.#sessions.delete(id);
    return this.#add(session);
  }

  destroy(id: string): void {
    this.#sessions.delete(id);
  }

  #add(session: BrowserSession): string {
    if (this.#sessions.size >= MAX_SESSIONS) this.#sessions.delete(this.#sessions.keys().next().value as string);
    const id = randomBytes(32).toString('base64url');
    this.#sessions.set(id, session);
    return id;
  }
}
