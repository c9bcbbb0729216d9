import type { Caller } from './caller.ts';
import { type ChallengeError, challenges, type OAuthErrorCode } from './challenge.ts';
import { type CredentialHeaders, readCredentials, type Scheme } from './credentials.ts';
import type { DpopError, UnavailableError, VerifyError } from './errors.ts';
import {
  type ProtectedResourceMetadata,
  protectedResourceMetadata,
  protectedResourceMetadataUrl,
} from './resource-metadata.ts';
import type { Verifier } from './verifier.ts';

export interface ProtectedResourceOptions {
  /** The URL that names this API (RFC 9728); the first audience that is a URL unless told. */
  readonly resource?: string;
  /**
   * The public URL under which requests arrive, for DPoP's `htu`; the origin of `resource` unless told. Give it with a
   * path when a proxy takes that path off.
   */
  readonly baseUrl?: string;
  /** The `realm` of the challenges. */
  readonly realm?: string;
  /** Told whenever a request is answered 503, with what went wrong as `cause`: a wrong client secret, for instance. */
  readonly onUnavailable?: (error: UnavailableError) => void;
  /** More members for the metadata document, such as `scopes_supported` and `resource_name`. */
  readonly metadata?: Omit<ProtectedResourceMetadata, 'resource'>;
}

/** RFC 9457. `error` is the OAuth code of the challenge, for clients that find a body easier to read than a header. */
export interface Problem {
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly error?: OAuthErrorCode;
}

export interface Refusal {
  readonly status: 400 | 401 | 403 | 503;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: Problem;
}

export type Authentication =
  | { readonly caller: Caller; readonly headers: Readonly<Record<string, string>>; readonly refusal?: undefined }
  | { readonly caller?: undefined; readonly refusal: Refusal };

/** What every framework's middleware does; each adapter only carries it over, so that none can differ. */
export interface ProtectedResource {
  /**
   * Judges a request by its credentials. `url` is the request target, as in `IncomingMessage.url`; `address` where it came
   * from, for API keys that may be used from some addresses only.
   */
  authenticate(headers: CredentialHeaders, method: string, url: string, address?: string): Promise<Authentication>;
  /** The refusal for a caller that lacks a scope; `undefined` when all are there. */
  authorize(caller: Caller, scopes: readonly string[]): Refusal | undefined;
  readonly metadata: ProtectedResourceMetadata;
  /** Where the metadata is served. */
  readonly metadataPath: string;
}

const TITLES = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  503: 'Service Unavailable',
} as const;

/** @throws TypeError when no `resource` is given and no audience can stand in for it */
export function createProtectedResource(verifier: Verifier, options: ProtectedResourceOptions = {}): ProtectedResource {
  const resource = options.resource ?? verifier.audience.find((audience) => /^https?:/.test(audience));
  if (resource === undefined) throw new TypeError('resource must be given, because no audience is a URL');
  const baseUrl = (options.baseUrl ?? new URL(resource).origin).replace(/\/$/, '');
  const metadataUrl = protectedResourceMetadataUrl(resource);
  const settings = { realm: options.realm, resourceMetadata: metadataUrl.href, algs: verifier.dpopAlgorithms };
  const metadata = protectedResourceMetadata({
    authorization_servers: [verifier.issuer],
    scopes_supported: verifier.requiredScopes,
    dpop_signing_alg_values_supported: verifier.dpopAlgorithms,
    ...options.metadata,
    resource,
  });

  function refuse(
    status: Refusal['status'],
    detail: string,
    scopes: readonly string[],
    failure?: ChallengeError,
  ): Refusal {
    return {
      status,
      headers: {
        'content-type': 'application/problem+json',
        'cache-control': 'no-store',
        'www-authenticate': challenges(settings, scopes, failure),
        ...nonceHeader(),
      },
      body: { title: TITLES[status], status, detail, ...(failure && { error: failure.error }) },
    };
  }

  function fail(
    status: Refusal['status'],
    scheme: Scheme,
    error: OAuthErrorCode,
    description: string,
    scopes = verifier.requiredScopes,
  ) {
    return refuse(status, description, scopes, { scheme, error, description });
  }

  /** RFC 9449 section 9: with an answer, good or bad, the client learns the nonce of its next proof. */
  function nonceHeader(): Record<string, string> {
    const nonce = verifier.dpopNonce();
    return nonce === undefined ? {} : { 'dpop-nonce': nonce };
  }

  async function authenticate(
    headers: CredentialHeaders,
    method: string,
    url: string,
    address?: string,
  ): Promise<Authentication> {
    const credentials = readCredentials(headers, url);
    if (credentials.kind === 'none') {
      return { refusal: refuse(401, 'This resource needs an access token.', verifier.requiredScopes) };
    }
    if (credentials.kind === 'invalid') {
      return { refusal: fail(400, 'Bearer', 'invalid_request', credentials.reason) };
    }
    const { scheme, token, proof } = credentials;
    const dpop = scheme === 'DPoP' ? { proof, method, url: baseUrl + pathOf(url) } : undefined;
    try {
      const caller = await verifier.verify(token, { ...(dpop && { dpop }), address });
      return { caller, headers: dpop ? nonceHeader() : {} };
    } catch (error) {
      return { refusal: refusalOf(error, scheme) };
    }
  }

  function refusalOf(error: unknown, scheme: Scheme): Refusal {
    if (isVerifyError(error)) {
      if (error.cause === 'scope') return fail(403, scheme, 'insufficient_scope', error.message, error.requiredScopes);
      return fail(401, scheme, error.code === 'ERR_DPOP' ? error.error : 'invalid_token', error.message);
    }
    if (isUnavailableError(error)) {
      options.onUnavailable?.(error);
      return unavailable(error);
    }
    throw error;
  }

  function authorize(caller: Caller, scopes: readonly string[]): Refusal | undefined {
    if (scopes.every((scope) => caller.scopes.includes(scope))) return undefined;
    const description = `The request needs the scope: ${scopes.join(' ')}`;
    return fail(403, caller.confirmation ? 'DPoP' : 'Bearer', 'insufficient_scope', description, scopes);
  }

  return { authenticate, authorize, metadata, metadataPath: metadataUrl.pathname };
}

/** Not the caller's fault and soon over: a 401 would make clients throw good tokens away. */
function unavailable({ retryAfter }: UnavailableError): Refusal {
  return {
    status: 503,
    headers: {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      'retry-after': String(retryAfter),
    },
    body: { title: TITLES[503], status: 503, detail: 'Access tokens cannot be checked at the moment.' },
  };
}

/** A request target is a path, or rarely a whole URL (RFC 9112 section 3.2.2) whose host we do not believe. */
function pathOf(target: string): string {
  const path = target.startsWith('/') ? target : URL.canParse(target) ? new URL(target).pathname : '/';
  return path.split(/[?#]/, 1)[0] as string;
}

function isVerifyError(error: unknown): error is (VerifyError & { code: 'ERR_ACCESS_TOKEN' }) | DpopError {
  const { code } = (error ?? {}) as { code?: unknown };
  return code === 'ERR_ACCESS_TOKEN' || code === 'ERR_DPOP';
}

function isUnavailableError(error: unknown): error is UnavailableError {
  const { code } = (error ?? {}) as { code?: unknown };
  return (
    code === 'ERR_KEYS_UNAVAILABLE' || code === 'ERR_REPLAY_STORE_FULL' || code === 'ERR_INTROSPECTION_UNAVAILABLE'
  );
}
