import type { ServiceAccounts } from '../api-keys/service-accounts.ts';
import { policyOf } from './client-policy.ts';
import { type Client, type EngineContext, errors } from './engine.ts';

export interface ServiceAccountClients {
  /**
   * Which of these scopes of a resource server a client may have in a token of its own: as many as its service account has now.
   * @throws InvalidTarget when the account may not call it, InvalidClientAuth when the account is not active
   */
  narrow(ctx: EngineContext, client: Client, identifier: string, scopes: string[]): Promise<string[]>;
  /**
   * The subject of a token of a client's own, when that is not the client.
   * @throws InvalidClientAuth when the account is not active
   */
  subjectOf(token: object): Promise<string | undefined>;
  /** Whether the service account that a stored token speaks for is active. */
  stands(token: object): Promise<boolean>;
}

interface OwnToken {
  kind?: string;
  client?: Client;
  extra?: { sub?: string };
}

/**
 * Clients that were registered for a service account: what they get for themselves (client_credentials) has its subject, and no more
 * than its rights, looked at for each token. A UUIDv8 of ours is no person's id and no client's. S-049
 */
export function createServiceAccountClients({
  findActing,
}: Pick<ServiceAccounts, 'findActing'>): ServiceAccountClients {
  async function actingFor(client: Client) {
    const { serviceAccountId } = policyOf(client);
    if (serviceAccountId === undefined) return undefined;
    const account = await findActing(serviceAccountId);
    if (!account?.isActive)
      throw new errors.InvalidClientAuth({ detail: 'the service account is not active' } as never);
    return account;
  }

  return {
    async narrow(ctx, client, identifier, scopes) {
      const account = ctx.oidc.params?.grant_type === 'client_credentials' ? await actingFor(client) : undefined;
      if (!account) return scopes;
      const { access } = account;
      if (!Object.hasOwn(access, identifier)) throw new errors.InvalidTarget();
      return scopes.filter((scope) => access[identifier]!.includes(scope));
    },

    async subjectOf(token) {
      const { kind, client } = token as OwnToken;
      return kind === 'ClientCredentials' && client ? (await actingFor(client))?.id : undefined;
    },

    async stands(token) {
      const { kind, extra } = token as OwnToken;
      if (kind !== 'ClientCredentials' || extra?.sub === undefined) return true;
      return (await findActing(extra.sub))?.isActive === true;
    },
  };
}
