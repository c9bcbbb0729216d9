/** What the interaction asked for; each provider does what it can of it (docs/upstreams.md says what that is). */
export interface UpstreamRequest {
  loginHint?: string;
  uiLocales?: string[];
  /** Seconds. @see OpenID Connect Core 3.1.2.1 */
  maxAge?: number;
  /** The person shall prove themselves anew: `prompt=login` or `max_age=0`. */
  freshSignIn: boolean;
}

/** One journey of one browser to one provider and back. */
export interface Attempt {
  state: string;
  nonce: string;
  /** PKCE. @see RFC 7636 */
  codeVerifier: string;
  redirectUri: string;
  request: UpstreamRequest;
  /** When the journey began, in seconds since 1970. */
  startedAt: number;
}

/** Signing in at another provider. Implementations share nothing but this and its contract suite. */
export interface Upstream {
  readonly provider: string;
  /** For buttons and sentences. */
  readonly displayName: string;
  /** It can say when somebody signed in there (`authTime`), and with that answer a request for a fresh sign-in. Otherwise it cannot. */
  readonly saysWhen?: boolean;
  /** The address to send the browser to. No network. */
  begin(attempt: Attempt): Promise<string>;
  /**
   * Who came back. `response` is the query of the callback, its state already checked and consumed. Never throws for anything
   * that an upstream or a stranger does, and takes no longer than its deadline.
   */
  finish(response: URLSearchParams, attempt: Attempt): Promise<UpstreamOutcome>;
}

export type UpstreamOutcome =
  | { kind: 'identified'; identity: UpstreamIdentity; tokens?: UpstreamTokens }
  /** The person pressed cancel there. */
  | { kind: 'denied' }
  | { kind: 'failed'; reason: UpstreamFailureReason; problem?: string };

/**
 * `unavailable` and `timeout` are worth trying again; `refused`: the provider does not accept the code or us; `invalid_response`:
 * an answer that is not to be trusted; `wrong_issuer`: one of another provider (RFC 9207); `stale_sign_in`: the person proved
 * themselves there longer ago than was asked; `domain_not_allowed`: not of an organization that may come in.
 */
export type UpstreamFailureReason =
  | 'unavailable'
  | 'timeout'
  | 'refused'
  | 'invalid_response'
  | 'wrong_issuer'
  | 'stale_sign_in'
  | 'domain_not_allowed';

/** Who somebody is there: the subject and nothing else identifies them. S-093 */
export interface UpstreamIdentity {
  provider: string;
  subject: string;
  /** A flag that is missing, or is anything but true, is false. S-111 */
  email?: { address: string; verified: boolean };
  name?: string;
  givenName?: string;
  familyName?: string;
  /** https, at the provider's own servers for pictures. */
  picture?: string;
  /** BCP 47. */
  locale?: string;
  userName?: string;
  /** The organization that the provider says manages the account. */
  hostedDomain?: string;
  /** When they signed in there, in seconds since 1970. */
  authTime?: number;
}

/** Answered only where they are to be kept. S-099 */
export interface UpstreamTokens {
  accessToken: string;
  refreshToken?: string;
  scope?: string;
  /** Seconds since 1970. */
  expiresAt?: number;
}
