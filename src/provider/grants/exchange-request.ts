import { errors, type OIDCContext } from '../engine.ts';

/** What API keys are called as a `subject_token_type`. Documented in docs/api-keys.md; it does not change. */
export const API_KEY_TOKEN_TYPE = 'urn:daemun:oauth:token-type:api-key';

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const JWT = 'urn:ietf:params:oauth:token-type:jwt';

/** Beyond `grant_type` and what authenticates the client. */
export const EXCHANGE_PARAMETERS = [
  'subject_token',
  'subject_token_type',
  'actor_token',
  'actor_token_type',
  'requested_token_type',
  'resource',
  'audience',
  'scope',
] as const;

/** These may be sent several times, to be told that one is all there can be. */
export const REPEATABLE_PARAMETERS = ['resource', 'audience'] as const;

export interface ExchangeRequest {
  subjectToken: string;
  /** What is answered as `issued_token_type`: it is a JWT and an access token, under the name that was asked for. */
  issuedTokenType: string;
  /** The resource servers that were named, in the spelling of the request: none, one, or the same one in two parameters. */
  targets: string[];
  /** Undefined: everything that can be had. */
  scopes?: Set<string>;
}

type Parameters = { [Name in (typeof EXCHANGE_PARAMETERS)[number]]?: string | string[] };

/**
 * Reads a request for a token in exchange for an API key.
 * @see RFC 8693 2.1
 * @throws InvalidRequest, InvalidTarget
 */
export function readExchangeRequest({ params }: Pick<OIDCContext, 'params'>): ExchangeRequest {
  const asked = params as Parameters;
  const text = (name: keyof Parameters) => asked[name] as string | undefined;
  const subjectToken = text('subject_token');
  const type = text('subject_token_type');
  const requested = text('requested_token_type') ?? ACCESS_TOKEN;
  if (!subjectToken) throw new errors.InvalidRequest('subject_token is missing');
  if (!type) throw new errors.InvalidRequest('subject_token_type is missing');
  if (type !== API_KEY_TOKEN_TYPE) {
    throw new errors.InvalidRequest(`only API keys are exchanged: subject_token_type must be ${API_KEY_TOKEN_TYPE}`);
  }
  if (asked.actor_token !== undefined || asked.actor_token_type !== undefined) {
    throw new errors.InvalidRequest('actor_token is not supported: the client that asks is the actor');
  }
  if (requested !== ACCESS_TOKEN && requested !== JWT) {
    throw new errors.InvalidRequest('only access tokens are issued: leave requested_token_type out');
  }
  const scope = text('scope');
  return {
    subjectToken,
    issuedTokenType: requested,
    targets: [single(asked.resource), single(asked.audience)].flat(),
    ...(scope && { scopes: new Set(scope.split(' ').filter(Boolean)) }),
  };
}

function single(given: string | string[] | undefined): string[] {
  const named = [given ?? []].flat();
  if (named.length > 1) throw new errors.InvalidTarget('a token is for one resource server: ask for one at a time');
  return named;
}
