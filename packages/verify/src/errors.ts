/**
 * Why an access token or API key was refused.
 *
 * - `malformed`: not an RFC 9068 access token at all, or one that parses two ways
 * - `signature`: nothing we trust vouches for it: unknown key, refused algorithm, wrong signature, missing proof of possession
 * - `issuer`, `audience`: genuine perhaps, but another provider's, or meant for another resource
 * - `expired`: outside its time of validity, in either direction
 * - `inactive`: an API key that the provider does not know, or that was revoked, has expired, came from the wrong address or
 *   means nothing here; which of these it does not say
 * - `scope`: good, but not enough for this request; the only cause that answers 403
 */
export type VerifyCause = 'expired' | 'signature' | 'malformed' | 'audience' | 'issuer' | 'inactive' | 'scope';

/**
 * The token was refused. Switch on `cause`; show `message` to developers only.
 *
 * `code` tells this error apart without `instanceof`, which breaks when two copies of a package meet.
 */
export class VerifyError extends Error {
  override readonly name: string = 'VerifyError';
  readonly code: 'ERR_ACCESS_TOKEN' | 'ERR_DPOP' = 'ERR_ACCESS_TOKEN';
  override readonly cause: VerifyCause;
  /** With cause `scope`: everything the request needs, as the `scope` attribute of the challenge wants it. */
  readonly requiredScopes: readonly string[];

  constructor(cause: VerifyCause, message: string, requiredScopes: readonly string[] = []) {
    super(message);
    this.cause = cause;
    this.requiredScopes = requiredScopes;
  }
}

/** The error codes of RFC 9449 sections 7.1 and 9 for a token whose proof of possession fails. */
export type DpopErrorCode = 'invalid_token' | 'invalid_dpop_proof' | 'use_dpop_nonce';

/** The token may be good, but its sender did not prove to hold the key it is bound to (RFC 9449). */
export class DpopError extends VerifyError {
  override readonly name: string = 'DpopError';
  override readonly code = 'ERR_DPOP';
  /** What the `error` attribute of the challenge says. */
  readonly error: DpopErrorCode;

  constructor(error: DpopErrorCode, message: string) {
    super('signature', message);
    this.error = error;
  }
}

/** The token could not be judged now, through no fault of the caller: answer 503, never 401. */
export class UnavailableError extends Error {
  override readonly name = 'UnavailableError';
  readonly code: 'ERR_KEYS_UNAVAILABLE' | 'ERR_REPLAY_STORE_FULL' | 'ERR_INTROSPECTION_UNAVAILABLE';
  /** Seconds until asking again makes sense. */
  readonly retryAfter: number;

  constructor(code: UnavailableError['code'], message: string, retryAfter: number, cause?: unknown) {
    super(message, { cause });
    this.code = code;
    this.retryAfter = Math.max(1, Math.ceil(retryAfter));
  }
}
