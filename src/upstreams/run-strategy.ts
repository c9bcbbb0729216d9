import { hash } from 'node:crypto';
import type { Outbound } from '../platform/http/outbound.ts';
import type { SecretText } from '../platform/secret-text.ts';
import { askForJson, type JsonObject } from './ask.ts';
import { failureOf, untrusted } from './failure.ts';
import type { Attempt, UpstreamTokens } from './upstream.ts';

type Answered = (error: unknown, body?: string, response?: object) => void;

/** What the provider's strategy knows of its OAuth client; its types leave it out. */
interface Client {
  _clientSecret: string;
  _request(
    method: string,
    url: string,
    headers: Record<string, string>,
    body: string,
    token: unknown,
    done: Answered,
  ): void;
}

/** What runs of a strategy, seen from Passport's side. */
export interface Strategy {
  _oauth2: Client;
  authenticate(request: StrategyRequest, options: { callbackURL: string }): void;
  authorizationParams(): Record<string, string>;
  redirect(url: string): void;
  success(answer: TokenAnswer): void;
  fail(challenge: unknown): void;
  error(error: unknown): void;
}

interface StrategyRequest {
  query: { code?: string; state?: string };
  attempt: Attempt;
}

export interface TokenAnswer {
  tokens: UpstreamTokens;
  idToken?: unknown;
}

/**
 * What every strategy is made with. How many parameters a function has tells it what they are: five and four of the store mean
 * PKCE, five of verify that it wants the whole answer of the token endpoint.
 */
export const strategyOptions = {
  state: true,
  // Made of the ID token or fetched by ourselves: theirs has no limits, and one of them reports twice.
  skipUserProfile: true,
  store: {
    store({ attempt }: StrategyRequest, _verifier: unknown, _state: unknown, _meta: unknown, done: StateDone) {
      done(null, attempt.state);
    },
    verify({ attempt }: StrategyRequest, state: string, _meta: unknown, done: StateDone) {
      done(null, state === attempt.state && attempt.codeVerifier, state);
    },
  },
};

type StateDone = (error: null, first: string | false, state?: string) => void;

export function verify(
  _accessToken: string,
  refreshToken: string | undefined,
  answer: JsonObject,
  _profile: unknown,
  done: (error: null, answer: TokenAnswer) => void,
): void {
  const { access_token: accessToken, expires_in: lifetime, scope, id_token: idToken } = answer;
  const tokens = {
    accessToken: accessToken as string,
    ...(typeof refreshToken === 'string' && { refreshToken }),
    ...(typeof scope === 'string' && { scope }),
    ...(Number.isSafeInteger(lifetime) && { expiresAt: Math.floor(Date.now() / 1000) + (lifetime as number) }),
  };
  done(null, { tokens, idToken });
}

/** Where to send the browser. @see RFC 6749 section 4.1.1, RFC 7636 section 4.3 */
export async function authorizationUrl(
  strategy: Strategy,
  attempt: Attempt,
  params: Record<string, string | undefined>,
): Promise<string> {
  const given = Object.entries(params).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const challenge = hash('sha256', attempt.codeVerifier, 'base64url');
  const authorizationParams = () => ({
    ...Object.fromEntries(given),
    code_challenge: challenge,
    code_challenge_method: 'S256',
  });
  return (await run(strategy, { query: {}, attempt }, { authorizationParams })) as string;
}

/** @throws UpstreamFailure @see RFC 6749 section 4.1.3 */
export async function exchangeCode(
  strategy: Strategy,
  {
    code,
    attempt,
    clientSecret,
    fetch,
    signal,
  }: {
    code: string;
    attempt: Attempt;
    clientSecret: SecretText | string;
    fetch: Outbound;
    signal: AbortSignal;
  },
): Promise<TokenAnswer> {
  const client: Client = Object.create(strategy._oauth2);
  // Only for as long as it is needed.
  client._clientSecret = typeof clientSecret === 'string' ? clientSecret : clientSecret.reveal();
  // Theirs has no time limit and no size limit, connects to any address, and puts a token into the query.
  client._request = (method, url, headers, body, _token, done) => {
    askForJson(fetch, url, { method, headers, body, signal })
      .then((answer) => done(null, JSON.stringify(requireBearer(answer)), {}))
      .catch((error) => done(failureOf(error)));
  };
  const request = { query: { code, state: attempt.state }, attempt };
  return (await run(strategy, request, { _oauth2: client })) as TokenAnswer;
}

function requireBearer(answer: JsonObject): JsonObject {
  const { access_token: token, token_type: type } = answer;
  if (typeof token !== 'string' || !token) throw untrusted('token answer without access_token');
  if (typeof type !== 'string' || type.toLowerCase() !== 'bearer') throw untrusted('token answer of another type');
  return answer;
}

/** Without Passport: an object of this request's own, and the first thing that it reports is what counts. */
function run(strategy: Strategy, request: StrategyRequest, own: Partial<Strategy>): Promise<string | TokenAnswer> {
  return new Promise((resolve, reject) => {
    const reports: Partial<Strategy> = {
      redirect: resolve,
      success: resolve,
      fail: () => reject(untrusted('state does not fit')),
      error: (error) => reject(failureOf(error)),
    };
    const once: Strategy = Object.assign(Object.create(strategy), reports, own);
    try {
      once.authenticate(request, { callbackURL: request.attempt.redirectUri });
    } catch (error) {
      reject(failureOf(error));
    }
  });
}
