import type { ApiKeyCheck, ValidApiKey } from '../api-keys/api-key-check.ts';
import { createApiKeyParser } from '../api-keys/api-key-value.ts';
import type { Observations } from '../audit/observations.ts';
import { resourceKey } from '../clients/resource-identifier.ts';
import { canonicalAddress } from '../platform/http/client-address.ts';
import { auditContextOf } from './audit-context.ts';
import { policyOf } from './client-policy.ts';
import type { Adapter, Client, EngineContext } from './engine.ts';

/** How the engine writes its own tokens. A few of them begin as keys do. */
const ENGINE_TOKEN = /^[\w-]{43}$/;
/** What the engine looks for behind a token that is introspected, revoked or used. */
const TOKEN_MODELS = ['AccessToken', 'ClientCredentials', 'RefreshToken'];

export interface ApiKeyIntrospectionOptions {
  issuer: string;
  /** What keys begin with. */
  prefix: string;
  apiKeyCheck: Pick<ApiKeyCheck, 'looksLikeApiKey' | 'check'>;
  observations?: Pick<Observations, 'apiKeyRefused'> | undefined;
}

export interface ApiKeyIntrospection {
  /** An adapter that is not asked for what is a key: no token is ever stored under one. */
  passOver(model: string, adapter: Adapter): Adapter;
  /**
   * Replaces the engine's answer when it was asked about a key, and says whether it was. The engine has authenticated the client.
   * @throws AppError unavailable
   */
  answer(ctx: EngineContext): Promise<boolean>;
}

/** What a request says beyond RFC 7662. */
interface Extension {
  /** Where the key came from. */
  address?: string;
  /** Which of its resource servers the client asks for; absent: all. */
  resources?: string[];
}

/**
 * Keys at the introspection endpoint: whoever may look at tokens for a resource server (`token-access.ts`) may look at keys that are
 * good there, and sees what they may there and nothing else. For everybody else there is no such key. S-052, S-065
 * @see RFC 7662
 */
export function createApiKeyIntrospection({
  issuer,
  prefix,
  apiKeyCheck,
  observations,
}: ApiKeyIntrospectionOptions): ApiKeyIntrospection {
  const parse = createApiKeyParser(prefix);

  function isKey(token: unknown): token is string {
    if (typeof token !== 'string' || !apiKeyCheck.looksLikeApiKey(token)) return false;
    return !ENGINE_TOKEN.test(token) || parse(token).kind === 'api_key';
  }

  async function describe(
    token: string,
    client: Client,
    { address, resources }: Extension,
    by: ReturnType<typeof auditContextOf>,
  ): Promise<object | undefined> {
    const outcome = await apiKeyCheck.check(token, { ...(address !== undefined && { address }), by });
    if (outcome.kind === 'refused') return undefined;
    const { apiKey } = outcome;
    const wanted = resources?.map(resourceKey);
    const audience = policyOf(client).resources.filter(
      (identifier) => Object.hasOwn(apiKey.access, identifier) && wanted?.includes(resourceKey(identifier)) !== false,
    );
    if (audience.length > 0) return activeAnswer(apiKey, audience);
    observations?.apiKeyRefused({ cause: 'resource', apiKey: apiKey.id }, by);
    return undefined;
  }

  /**
   * Without `client_id`: a key is issued to no client. With several resource servers the scopes are those that it has at every one of
   * them, because the answer does not say which scope belongs where.
   */
  function activeAnswer({ id, subject, access, createdAt, expiresAt }: ValidApiKey, audience: string[]): object {
    const [first, ...others] = audience as [string, ...string[]];
    const scopes = access[first]!.filter((scope) => others.every((other) => access[other]!.includes(scope)));
    return {
      active: true,
      iss: issuer,
      sub: subject,
      aud: others.length ? audience : first,
      ...(scopes.length && { scope: scopes.join(' ') }),
      iat: Math.floor(createdAt.getTime() / 1000),
      ...(expiresAt && { exp: Math.floor(expiresAt.getTime() / 1000) }),
      jti: id,
      token_type: 'Bearer',
    };
  }

  return {
    passOver(model, adapter) {
      if (!TOKEN_MODELS.includes(model)) return adapter;
      return { ...adapter, find: async (value) => (isKey(value) ? undefined : adapter.find(value)) };
    },

    async answer(ctx) {
      const { route, client, params } = ctx.oidc;
      if (route !== 'introspection' || !client || ctx.status !== 200 || !isKey(params?.token)) return false;
      const extension = readExtension(ctx.oidc.body as Record<string, unknown>);
      if ('problem' in extension) {
        ctx.status = 400;
        ctx.body = { error: 'invalid_request', error_description: extension.problem };
        return true;
      }
      // A client id alone is no authentication.
      const isProven = client.clientAuthMethod !== 'none';
      const by = auditContextOf(ctx.state);
      ctx.body = (isProven && (await describe(params.token, client, extension, by))) || { active: false };
      return true;
    },
  };
}

/** The engine knows nothing of these parameters, so nobody else looks at how often they were sent. S-005, S-006 */
function readExtension({ address, resource }: Record<string, unknown>): Extension | { problem: string } {
  if (Array.isArray(address)) return { problem: 'address parameter must not be provided twice' };
  const canonical = typeof address === 'string' && address ? canonicalAddress(address) : '';
  if (canonical === undefined) return { problem: 'address must be an IP address' };
  const resources = [resource ?? []].flat().filter((each): each is string => typeof each === 'string' && each !== '');
  return { ...(canonical && { address: canonical }), ...(resources.length && { resources }) };
}
