import type { Access } from '../../api-keys/api-key.ts';
import type { ApiKeyCheck, ValidApiKey } from '../../api-keys/api-key-check.ts';
import { API_KEYS_CLIENT_ID } from '../../clients/client-id.ts';
import { TOKEN_EXCHANGE } from '../../clients/client-metadata.ts';
import type { ResourceServer } from '../../clients/resource-servers.ts';
import { auditContextOf } from '../audit-context.ts';
import { policyOf } from '../client-policy.ts';
import { type Client, claimProof, type EngineContext, errors, type Provider, validateProof } from '../engine.ts';
import type { Lifetimes } from '../lifetimes.ts';
import { describeResourceServer, type FindResourceServer, permittedResource } from '../resource-indicators.ts';
import { API_KEY_CLAIM, addClaims } from '../token-claims.ts';
import {
  EXCHANGE_PARAMETERS,
  type ExchangeRequest,
  REPEATABLE_PARAMETERS,
  readExchangeRequest,
} from './exchange-request.ts';

/** Seconds. Nobody can take back what is checked offline: so long does a token outlive the key at most. */
const LONGEST_LIFE = 5 * 60;

const OPAQUE_FORMAT =
  'this resource server takes no tokens that can be checked offline: send it the API key itself, which it introspects';
const WHICH = 'name one resource server that the API key is for, as resource';

export interface TokenExchangeOptions {
  check: ApiKeyCheck['check'];
  findResourceServer: FindResourceServer;
  lifetimes: Pick<Lifetimes, 'accessToken'>;
}

const exchanged = new WeakMap<object, ValidApiKey>();

/** The key that the answer to this request is made of. */
export function exchangedKeyOf(ctx: EngineContext): ValidApiKey | undefined {
  return exchanged.get(ctx);
}

/**
 * A short access token for an API key: for one resource server, with no more than the key may there at this moment, and no more than
 * the client may ask for. The engine has authenticated the client and looked whether it may use this grant at all. S-054
 * @see RFC 8693
 */
export function registerTokenExchange(provider: Provider, options: TokenExchangeOptions): void {
  provider.registerGrantType(
    TOKEN_EXCHANGE,
    (ctx) => exchange(ctx as EngineContext, provider, options),
    EXCHANGE_PARAMETERS,
    REPEATABLE_PARAMETERS,
  );
}

async function exchange(ctx: EngineContext, provider: Provider, options: TokenExchangeOptions): Promise<void> {
  const client = ctx.oidc.client!;
  const request = readExchangeRequest(ctx.oidc);
  const proof = await validateProof(provider, ctx);
  if (!proof && client.dpopBoundAccessTokens) throw refused('DPoP proof JWT not provided');

  const by = auditContextOf(ctx.state);
  const outcome = await options.check(request.subjectToken, { ...(by.address && { address: by.address }), by });
  // One answer, whatever is wrong with the key.
  if (outcome.kind === 'refused') throw refused(`the API key was refused: ${outcome.cause}`);
  const { apiKey } = outcome;
  const server = await findTarget(request, apiKey, client, options.findResourceServer);
  const scopes = grantedScopes(request, apiKey.access[server.identifier]!, client);
  if (server.accessTokenFormat !== 'jwt') throw new errors.InvalidTarget(OPAQUE_FORMAT);
  if (proof) await claimProof(provider, ctx, proof, client.clientId, errors.InvalidGrant);

  const token = new provider.AccessToken({
    client,
    accountId: apiKey.subject,
    gty: 'token_exchange',
    scope: scopes.join(' ') || undefined,
    expiresIn: lifeOf(apiKey, server, client, options.lifetimes),
    // And no grant, which a person agrees to: the key is what stands behind it.
  } as never);
  const described = describeResourceServer(server, scopes);
  token.resourceServer = new provider.ResourceServer(server.identifier, described as never);
  if (proof) token.setThumbprint('jkt', proof.thumbprint);
  addClaims(token, {
    [API_KEY_CLAIM]: apiKey.id,
    ...(actsForAnother(client, apiKey) && { act: { sub: client.clientId } }),
  });

  ctx.oidc.entity('AccessToken', token);
  exchanged.set(ctx, apiKey);
  const value = await token.save();
  ctx.body = {
    access_token: value,
    issued_token_type: request.issuedTokenType,
    token_type: token.tokenType,
    expires_in: token.expiration,
    ...(token.scope && { scope: token.scope }),
  };
}

/** @throws InvalidTarget alike for what does not exist, what the key is not for, and what the client may not ask for */
async function findTarget(
  { targets }: ExchangeRequest,
  { access }: ValidApiKey,
  client: Client,
  findResourceServer: FindResourceServer,
): Promise<ResourceServer> {
  const find = (indicator: string) =>
    isForAnybody(client) ? findResourceServer(indicator) : permittedResource(findResourceServer, client, indicator);
  const named = targets.length > 0;
  const found = await Promise.all((named ? targets : Object.keys(access)).map(find));
  const possible = new Map(found.map((server) => [server?.identifier, server]));
  if (!named) possible.delete(undefined);
  const [server] = possible.values();
  if (possible.size !== 1 || !server || !Object.hasOwn(access, server.identifier)) {
    throw new errors.InvalidTarget(named ? undefined : WHICH);
  }
  return server;
}

/** @throws InvalidScope when more is asked for than key and client have in common */
function grantedScopes({ scopes: asked }: ExchangeRequest, ofKey: Access[string], client: Client): string[] {
  const { resourceScopes } = policyOf(client);
  const most = ofKey.filter((scope) => !resourceScopes || resourceScopes.includes(scope));
  if (!asked) return most;
  const beyond = [...asked].filter((scope) => !most.includes(scope));
  if (beyond.length) throw new errors.InvalidScope('the API key does not have the scope', beyond.join(' '));
  return most.filter((scope) => asked.has(scope));
}

/** @throws InvalidGrant for a key that ends this very second */
function lifeOf(
  { expiresAt }: ValidApiKey,
  { accessTokenLifetime = LONGEST_LIFE }: ResourceServer,
  client: Client,
  lifetimes: Pick<Lifetimes, 'accessToken'>,
): number {
  const left = expiresAt ? Math.floor((expiresAt.getTime() - Date.now()) / 1000) : LONGEST_LIFE;
  if (left < 1) throw refused('the API key was refused: expired');
  const ofClient = policyOf(client).accessTokenLifetime ?? LONGEST_LIFE;
  return Math.min(LONGEST_LIFE, lifetimes.accessToken, accessTokenLifetime, ofClient, left);
}

/**
 * Whoever has nothing but the key is taken for its owner; so is a client of the service account that owns it. Another client that
 * proved who it is acts for the owner, and the token says so. @see RFC 8693 4.1
 */
function actsForAnother(client: Client, { owner }: ValidApiKey): boolean {
  if (client.clientAuthMethod === 'none') return false;
  return owner.kind !== 'service_account' || policyOf(client).serviceAccountId !== owner.id;
}

function isForAnybody(client: Client): boolean {
  return client.clientId === API_KEYS_CLIENT_ID;
}

/** What is in `detail` is not told to whoever asked. */
function refused(detail: string): Error {
  return new errors.InvalidGrant({ detail } as never);
}
