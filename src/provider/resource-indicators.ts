import type { ResourceServer } from '../clients/resource-servers.ts';
import { policyOf } from './client-policy.ts';
import { type Client, type Configuration, errors } from './engine.ts';
import type { OwnApiScopes } from './own-api-scopes.ts';
import type { ServiceAccountClients } from './service-account-clients.ts';

type Feature = NonNullable<NonNullable<Configuration['features']>['resourceIndicators']>;

export type FindResourceServer = (
  identifier: string,
) => ResourceServer | undefined | Promise<ResourceServer | undefined>;

/** JWT access tokens are signed by the cheapest widely understood algorithm unless the API wants another. */
const DEFAULT_ALGORITHM = 'ES256';

/** @see RFC 8707, RFC 9068 */
export function resourceIndicators(
  findResourceServer: FindResourceServer,
  { offered }: Pick<OwnApiScopes, 'offered'>,
  { narrow }: Pick<ServiceAccountClients, 'narrow'>,
): Feature {
  return {
    enabled: true,

    /** A client may only ask for what it was given, and is not told whether there is more. S-073 */
    async getResourceServerInfo(ctx, indicator, client) {
      const server = await permittedResource(findResourceServer, client, indicator);
      if (!server) throw new errors.InvalidTarget();
      const { resourceScopes } = policyOf(client);
      const scopes = offered(ctx, server).filter((name) => !resourceScopes || resourceScopes.includes(name));
      return describeResourceServer(server, await narrow(ctx, client, server.identifier, scopes));
    },

    /** A service with one API to call need not name it. For people's tokens no resource means our own userinfo. */
    defaultResource(ctx, client, oneOf) {
      if (oneOf) return oneOf as never;
      const { resources } = policyOf(client);
      const single = ctx.oidc.params?.grant_type === 'client_credentials' && resources.length === 1;
      return (single ? resources[0] : undefined) as never;
    },

    /** The token call may leave out what the authorization request named. */
    useGrantedResource: () => true,
  };
}

/** In the engine's words, with these of its scopes. */
export function describeResourceServer(
  { identifier, accessTokenFormat, accessTokenLifetime, signingAlgorithm = DEFAULT_ALGORITHM }: ResourceServer,
  scopes: string[],
) {
  return {
    // One spelling, however the client wrote it.
    audience: identifier,
    scope: scopes.join(' '),
    accessTokenFormat,
    ...(accessTokenLifetime !== undefined && { accessTokenTTL: accessTokenLifetime }),
    ...(accessTokenFormat === 'jwt' && { jwt: { sign: { alg: signingAlgorithm } } }),
  };
}

/** The resource server behind an indicator, when this client may ask for it. */
export async function permittedResource(
  findResourceServer: FindResourceServer,
  client: Client,
  indicator: string,
): Promise<ResourceServer | undefined> {
  const server = await findResourceServer(indicator);
  return server && policyOf(client).resources.includes(server.identifier) ? server : undefined;
}
