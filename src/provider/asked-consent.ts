import { interactionExpired } from '../platform/errors.ts';
import type { Interaction } from './engine.ts';
import type { PendingInteraction } from './identity-provider.ts';
import type { RequestedAccess } from './requested-access.ts';
import type { FindResourceServer } from './resource-indicators.ts';

export type MissingConsent = NonNullable<PendingInteraction['missing']>;

export interface AskedConsent {
  missing: MissingConsent;
  /** The shortest that one of the resource servers wants; seconds. */
  accessTokenLifetime?: number;
}

/** What `prompts.ts` and the engine's own checks found, kept with the interaction. */
interface ConsentDetails {
  requested: RequestedAccess;
  missingOIDCScope?: string[];
  missingOIDCClaims?: string[];
  missingResourceScopes?: Record<string, string[]>;
}

/** Reasons for asking again for what was agreed to before. */
const ANEW = ['consent_prompt', 'native_client_prompt'];

/**
 * What the consent screen asks for, and so exactly what is agreed to by it: what is missing, or everything when the question
 * itself is asked anew. S-166
 */
export async function askedFor(
  { prompt }: Pick<Interaction, 'prompt'>,
  findResourceServer: FindResourceServer,
): Promise<AskedConsent> {
  const { requested, ...missing } = prompt.details as unknown as ConsentDetails;
  const anew = prompt.reasons.some((reason) => ANEW.includes(reason));
  const namesByIndicator = new Map(
    anew
      ? requested.resources.map(({ indicator, scopes }) => [indicator, scopes])
      : Object.entries(missing.missingResourceScopes ?? {}),
  );
  const resources = await Promise.all(
    [...namesByIndicator].map(async ([indicator, names]) => {
      const server = await findResourceServer(indicator);
      if (!server) throw interactionExpired(new Error(`resource server ${indicator} is gone`));
      return { ...server, scopes: server.scopes.filter((scope) => names.includes(scope.name)) };
    }),
  );
  const lifetimes = resources.flatMap(({ accessTokenLifetime }) => accessTokenLifetime ?? []);
  return {
    missing: {
      scopes: (anew ? requested.scopes : missing.missingOIDCScope) ?? [],
      claims: (anew ? requested.claims : missing.missingOIDCClaims) ?? [],
      resources: resources
        .filter(({ scopes }) => scopes.length)
        .map(({ identifier, name, scopes }) => ({ identifier, name, scopes })),
    },
    ...(lifetimes.length && { accessTokenLifetime: Math.min(...lifetimes) }),
  };
}
