import type { Account, StoredAccount } from '../accounts/account.ts';
import { BY_UPSTREAM } from './assurance.ts';
import { UPSTREAM_CLAIM } from './claims.ts';
import { policyOf } from './client-policy.ts';
import type { Configuration, EngineContext } from './engine.ts';
import { generationOfGrant } from './existing-grant.ts';
import { generationOfSession } from './session-adapter.ts';

export interface AccountSource {
  find(id: string): Promise<StoredAccount | undefined>;
  claimsOf(account: Account): Record<string, unknown>;
  /** The upstream that this session was signed in with. */
  providerOf(sessionUid: string): Promise<string | undefined>;
}

type FindAccount = NonNullable<Configuration['findAccount']>;
type Source = Parameters<FindAccount>[2];

/**
 * The person behind a subject, as they are now: looked up for every code, refresh and userinfo call, and gone for all of them
 * the moment the account is not active. So is whatever was begun before their access was ended the last time: revocation removes
 * what it finds, and this keeps out what was on its way then. S-036, S-059, S-066, S-158
 */
export function createFindAccount({ find, claimsOf, providerOf }: AccountSource): FindAccount {
  return async (ctx, subject, source) => {
    if (source && !(await stillStands(ctx, source))) return undefined;
    const account = await find(subject);
    if (account?.state !== 'active') return undefined;
    const generation = source ? generationOfGrant(source.grantId) : generationOfSession(ctx);
    if (generation !== account.accessGeneration) return undefined;
    return {
      accountId: account.id,
      // For `own-api-scopes.ts`; no claim.
      isAdministrator: account.isAdministrator,
      async claims(_use, _scope, asked) {
        const claims = { ...claimsOf(account), sub: account.id };
        const sessionUid = UPSTREAM_CLAIM in asked ? federatedSession(source) : undefined;
        // Asked of the database for whoever wants to know, and for nobody else.
        const provider = sessionUid === undefined ? undefined : await providerOf(sessionUid);
        return provider === undefined ? claims : { ...claims, [UPSTREAM_CLAIM]: provider };
      },
    };
  };
}

/**
 * The session that stands behind a code or token. What remembers the methods of its own sign-in is held to them: somebody may have
 * signed in to the session in another way since. S-163
 */
function federatedSession(source: Source): string | undefined {
  const { sessionUid, amr } = (source ?? {}) as { sessionUid?: string; amr?: string[] };
  return amr?.includes(BY_UPSTREAM) === false ? undefined : sessionUid;
}

/** What the engine does not ask of a code or token that does not hang on its session. */
async function stillStands(ctx: EngineContext, source: NonNullable<Source>): Promise<boolean> {
  if ('expiresWithSession' in source && source.expiresWithSession) return true;
  if (source.kind === 'AuthorizationCode') {
    // Even for offline access: signing out before the code is redeemed takes it back. S-036
    return (await ctx.oidc.provider.Session.findByUid(source.sessionUid ?? '')) !== undefined;
  }
  if (source.kind === 'RefreshToken' && ctx.oidc.client) {
    // Offline access that the client has lost since. S-069
    const { identityScopes } = policyOf(ctx.oidc.client);
    return !source.scopes.has('offline_access') || identityScopes?.includes('offline_access') !== false;
  }
  return true;
}
