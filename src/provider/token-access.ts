import type { StoredAccount } from '../accounts/account.ts';
import { policyOf } from './client-policy.ts';
import type { Client, EngineContext } from './engine.ts';
import { generationOfGrant } from './existing-grant.ts';
import type { AccountSource } from './find-account.ts';
import type { ServiceAccountClients } from './service-account-clients.ts';

interface PresentedToken {
  kind: string;
  clientId?: string;
  accountId?: string;
  grantId?: string;
  aud?: string | string[];
}

/**
 * Who may look at a token: the client it was issued to, and the clients of the resource server it is for. For everybody else,
 * and once its client, its person or its service account is disabled, it is a token that never was. S-047, S-065, S-066
 * @see RFC 7662 2.2, 4
 */
export function createIntrospectionPolicy(
  { find }: Pick<AccountSource, 'find'>,
  { stands }: Pick<ServiceAccountClients, 'stands'>,
) {
  return async function mayIntrospect(ctx: EngineContext, caller: Client, presented: unknown): Promise<boolean> {
    const token = presented as PresentedToken;
    // A client id alone is no authentication.
    if (caller.clientAuthMethod === 'none') return false;
    const own = token.clientId === caller.clientId;
    if (!own && (token.kind === 'RefreshToken' || !isForResourceOf(caller, token))) return false;
    const [client, account, serviceAccountStands] = await Promise.all([
      own ? caller : ctx.oidc.provider.Client.find(token.clientId!),
      token.accountId === undefined ? undefined : find(token.accountId),
      stands(token),
    ]);
    if (client === undefined || !serviceAccountStands) return false;
    return token.accountId === undefined || standsWith(account, token);
  };
}

/** As `find-account.ts` sees it for the calls that use the token. */
function standsWith(account: StoredAccount | undefined, { grantId }: PresentedToken): boolean {
  return account?.state === 'active' && account.accessGeneration === generationOfGrant(grantId);
}

function isForResourceOf(caller: Client, { aud }: PresentedToken): boolean {
  return typeof aud === 'string' && policyOf(caller).resources.includes(aud);
}

/** Somebody else's token is answered like an unknown one, so that nobody learns it exists. S-052, S-062 */
export function mayRevoke(_ctx: EngineContext, caller: Client, presented: unknown): boolean {
  return (presented as PresentedToken).clientId === caller.clientId;
}
