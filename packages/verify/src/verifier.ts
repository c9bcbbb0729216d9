import { checkAlgorithms, SUPPORTED_ALGORITHMS } from './algorithms.ts';
import { createKeyRecognizer } from './api-key.ts';
import { type Caller, readCaller } from './caller.ts';
import { decodeObject, parseCompact } from './compact.ts';
import { createProofChecker, type DpopOptions, type DpopRequest } from './dpop.ts';
import { DpopError, VerifyError } from './errors.ts';
import type { Fetch } from './fetch-json.ts';
import { HeaderMemory, readHeader } from './header.ts';
import { IssuerKeys } from './issuer-keys.ts';
import type { JsonObject } from './json.ts';
import { KeyIntrospection } from './key-introspection.ts';
import { checkSecureUrl } from './secure-url.ts';
import { isSignedBy } from './signature.ts';
import { checkSeconds } from './time.ts';

export interface VerifierOptions {
  /** The provider, exactly as its tokens and its discovery document spell it. */
  readonly issuer: string;
  /** Who we are in `aud`; one of them must be there. */
  readonly audience: string | readonly string[];
  /** Scopes that every token needs. */
  readonly requiredScopes?: readonly string[];
  /** Accepted signature algorithms; ES256, RS256, PS256, EdDSA and Ed25519 unless told. Never `none`, never HS*. */
  readonly algorithms?: readonly string[];
  /** How far clocks may disagree, in seconds: 0 to 60, 15 unless told. */
  readonly clockTolerance?: number;
  /** Where the keys are, when discovery shall be skipped. */
  readonly jwksUri?: string;
  /** The shortest time between two fetches of the keys, in seconds: 1 to 3600, 30 unless told. */
  readonly jwksCooldown?: number;
  /** How long keys stay good while the provider is down, in seconds behind their own age: a day unless told. */
  readonly jwksMaxStale?: number;
  /** Longest token looked at, in characters: 16 KiB unless told. */
  readonly maxTokenLength?: number;
  /** How DPoP proofs are judged. */
  readonly dpop?: DpopOptions;
  /** Takes API keys too, by asking the provider about them. Without it they are refused like anything that is no token. */
  readonly apiKeys?: ApiKeysOptions;
  /** Permits plain http beyond loopback: anybody on the way can then replace the keys. For closed test networks. */
  readonly dangerouslyAllowHttp?: boolean;
  /** Fetches the keys, for instance through a proxy. */
  readonly fetch?: Fetch;
  /** The clock, in milliseconds. */
  readonly now?: () => number;
}

export interface ApiKeysOptions {
  /** The client by which this API asks: registered at the provider for this API, and authenticated by client_secret_basic. */
  readonly clientId: string;
  readonly clientSecret: string;
  /** What keys begin with: `sk-` unless the provider is configured otherwise. */
  readonly prefix?: string;
  /** Where to ask, when discovery shall be skipped. */
  readonly introspectionEndpoint?: string;
}

export interface VerifyOptions {
  /** Scopes needed beside `requiredScopes`. */
  readonly scopes?: readonly string[];
  /**
   * Given exactly when the token came under the scheme `DPoP`. Without it a bound token is refused, with it an unbound
   * one (RFC 9449 section 7.1).
   */
  readonly dpop?: DpopRequest;
  /** Where the request came from. Without it an API key that may be used from some addresses only is refused. */
  readonly address?: string | undefined;
}

export interface Verifier {
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly requiredScopes: readonly string[];
  readonly dpopAlgorithms: readonly string[];
  /** The nonce that the next proof should carry; `undefined` when nonces are not asked for. */
  dpopNonce(): string | undefined;
  /**
   * Judges an access token, or an API key where these are taken.
   *
   * @throws VerifyError with the reason as `cause`; a DpopError among them when the proof of possession fails
   * @throws UnavailableError when there are no keys to judge by, or the provider cannot be asked about an API key
   */
  verify(credential: string, options?: VerifyOptions): Promise<Caller>;
  /** Fetches the keys now, so that the first token need not wait; and finds where to ask about API keys. @throws UnavailableError */
  warmUp(): Promise<void>;
}

/**
 * Makes a verifier of JWT access tokens for one issuer and one resource server. It keeps keys and used proofs, so make
 * one per process and share it.
 *
 * @throws TypeError when an option is not what it must be
 * @see {@link https://www.rfc-editor.org/rfc/rfc9068#section-4 RFC 9068 section 4}
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const { issuer, requiredScopes = [], jwksUri, dangerouslyAllowHttp: allowHttp = false, now = Date.now } = options;
  const audience = typeof options.audience === 'string' ? [options.audience] : options.audience;
  if (!audience?.length || audience.some((entry) => typeof entry !== 'string' || entry === '')) {
    throw new TypeError('audience must be a non-empty string, or several');
  }
  checkSecureUrl(issuer, 'issuer', allowHttp);
  const algorithms = checkAlgorithms(options.algorithms ?? SUPPORTED_ALGORITHMS, 'algorithms');
  const tolerance = checkSeconds(options.clockTolerance ?? 15, 'clockTolerance', 0, 60);
  const maxLength = options.maxTokenLength ?? 16_384;
  const proofs = createProofChecker(options.dpop ?? {}, tolerance, now);
  const nonces = options.dpop?.nonces;
  const headers = new HeaderMemory();
  const keys = new IssuerKeys({
    issuer,
    algorithms,
    jwksUri: jwksUri === undefined ? undefined : checkSecureUrl(jwksUri, 'jwksUri', allowHttp).href,
    cooldown: checkSeconds(options.jwksCooldown ?? 30, 'jwksCooldown', 1, 3600),
    maxStale: checkSeconds(options.jwksMaxStale ?? 86_400, 'jwksMaxStale', 0, 30 * 86_400),
    allowHttp,
    fetch: options.fetch ?? globalThis.fetch,
    now,
  });
  const apiKeys = options.apiKeys && createApiKeys(options.apiKeys);

  function createApiKeys({ clientId, clientSecret, prefix = 'sk-', introspectionEndpoint: endpoint }: ApiKeysOptions) {
    if (!clientId || !clientSecret) throw new TypeError('apiKeys needs a clientId and its clientSecret');
    const introspection = new KeyIntrospection({
      issuer,
      audience,
      clientId,
      clientSecret,
      endpoint: endpoint === undefined ? undefined : checkSecureUrl(endpoint, 'introspectionEndpoint', allowHttp).href,
      allowHttp,
      fetch: options.fetch ?? globalThis.fetch,
      now,
    });
    return { shapeOf: createKeyRecognizer(prefix), introspection };
  }

  async function verifyKey(
    key: string,
    introspection: KeyIntrospection,
    { scopes, dpop, address }: VerifyOptions,
  ): Promise<Caller> {
    if (dpop !== undefined) throw new DpopError('invalid_token', 'An API key is bound to no key: send it as Bearer.');
    const caller = await introspection.ask(key, address);
    if (caller === undefined) throw new VerifyError('inactive', 'The API key is not active.');
    // a provider that has never heard of the parameter `resource` might speak of other APIs of the same client
    if (!caller.audience.every((entry) => audience.includes(entry))) {
      throw new VerifyError('audience', 'The API key is meant for another resource.');
    }
    checkScopes(caller, requiredScopes, scopes);
    return caller;
  }

  function verify(credential: string, verifyOptions: VerifyOptions = {}): Promise<Caller> {
    const shape = apiKeys && typeof credential === 'string' ? apiKeys.shapeOf(credential) : 'other';
    if (apiKeys && shape === 'key') return verifyKey(credential, apiKeys.introspection, verifyOptions);
    if (shape === 'other') return verifyToken(credential, verifyOptions);
    return Promise.reject(new VerifyError('malformed', 'The API key is incomplete or mistyped.'));
  }

  async function verifyToken(token: string, { scopes, dpop }: VerifyOptions): Promise<Caller> {
    const jws = typeof token === 'string' ? parseCompact(token, maxLength) : undefined;
    if (jws === undefined) throw new VerifyError('malformed', 'The token is not a JWS in compact serialization.');
    const claims = decodeObject(jws.payload);
    if (claims === undefined) throw new VerifyError('malformed', 'The payload is not an unambiguous JSON object.');
    const known = headers.find(jws.protected);
    const header = known ?? readHeader(jws.protected, algorithms);
    // before any key is looked for: other providers' tokens must not make us ask ours for unknown keys
    if (typeof claims.iss !== 'string') throw new VerifyError('malformed', 'The claim "iss" is missing.');
    if (claims.iss !== issuer) throw new VerifyError('issuer', 'The token is from another issuer.');

    const key = keys.find(header.kid, header.alg) ?? (await keys.resolve(header.kid, header.alg));
    if (key === undefined) throw new VerifyError('signature', 'The token is signed by an unknown key.');
    if (!(await isSignedBy(key, jws.signingInput, jws.signature))) {
      throw new VerifyError('signature', 'The signature is wrong.');
    }
    if (known === undefined) headers.remember(jws.protected, header);

    const caller = readCaller(claims);
    if (!audience.some((entry) => caller.audience.includes(entry))) {
      throw new VerifyError('audience', 'The token is meant for another resource.');
    }
    checkTimes(claims, now() / 1000, tolerance);
    if (caller.confirmation !== undefined || dpop !== undefined) await checkSender(caller, token, dpop);
    checkScopes(caller, requiredScopes, scopes);
    return caller;
  }

  async function checkSender(caller: Caller, token: string, dpop: DpopRequest | undefined): Promise<void> {
    const jkt = caller.confirmation?.jkt;
    if (jkt === undefined) throw new DpopError('invalid_token', 'The token is not bound to a key: send it as Bearer.');
    if (dpop === undefined) {
      throw new DpopError('invalid_token', 'The token is bound to a key: send it under the scheme DPoP, with a proof.');
    }
    await proofs.check(dpop, token, jkt);
  }

  return {
    issuer,
    audience,
    requiredScopes,
    dpopAlgorithms: [...proofs.algorithms],
    dpopNonce: () => nonces?.current(),
    verify,
    async warmUp() {
      await Promise.all([keys.load(), apiKeys?.introspection.load()]);
    },
  };
}

/** RFC 7519 sections 4.1.4 to 4.1.6. An `iat` ahead of us is a clock gone wrong or a forgery in store. */
function checkTimes(claims: JsonObject, now: number, tolerance: number): void {
  const { exp, iat, nbf = 0 } = claims as { exp: number; iat: number; nbf?: number }; // readCaller has seen them
  if (exp <= now - tolerance) throw new VerifyError('expired', 'The token has expired.');
  const start = Math.max(iat, nbf);
  if (start > now + tolerance) throw new VerifyError('expired', 'The token is not valid yet.');
}

function checkScopes(caller: Caller, always: readonly string[], now: readonly string[] = []): void {
  if (always.length === 0 && now.length === 0) return;
  const needed = [...new Set([...always, ...now])];
  if (!needed.every((scope) => caller.scopes.includes(scope))) {
    throw new VerifyError('scope', `The request needs the scope: ${needed.join(' ')}`, needed);
  }
}
