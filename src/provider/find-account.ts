import type { Account } from '../accounts/account.ts';
import { policyOf } from './client-policy.ts';
import type { Configuration, EngineContext } from './engine.ts';

export interface AccountSource {
  find(id: string): Promise<Account | undefined>;
  claimsOf(account: Account): Record<string, unknown>;
}

type FindAccount = NonNullable<Configuration['findAccount']>;
type Source = Parameters<FindAccount>[2];

/**
 * The person behind a subject, as they are now: looked up for every code, refresh and userinfo call, and gone for all of them
 * the moment the account is not active. S-036, S-059, S-066
 */
export function createFindAccount({ find, claimsOf }: AccountSource): FindAccount {
  return async (ctx, subject, source) => {
    if (source && !(await stillStands(ctx, source))) return undefined;
    const account = await find(subject);
    if (account?.state !== 'active') return undefined;
    return { accountId: account.id, claims: () => ({ ...claimsOf(account), sub: account.id }) };
  };
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
