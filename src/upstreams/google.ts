import type { JWTPayload } from 'jose';
import { askForJson, type JsonObject } from './ask.ts';
import { type BreakerOptions, createBreaker } from './circuit-breaker.ts';
import { UpstreamFailure, untrusted } from './failure.ts';
import { finish } from './finish.ts';
import { emailOf, localeOf, pictureOf, said, textOf } from './profile-values.ts';
import { type Credentials, defineProvider, type Surroundings } from './provider.ts';
import { authorizationUrl, exchangeCode, type Strategy, strategyOptions, verify } from './run-strategy.ts';
import { isStale } from './stale-sign-in.ts';
import type { Attempt, Upstream, UpstreamIdentity, UpstreamOutcome } from './upstream.ts';

/** As Google's discovery document has had them for years. */
export interface GoogleEndpoints {
  authorization: string;
  token: string;
  keys: string;
  userInfo: string;
}

const ENDPOINTS: GoogleEndpoints = {
  authorization: 'https://accounts.google.com/o/oauth2/v2/auth',
  token: 'https://oauth2.googleapis.com/token',
  keys: 'https://www.googleapis.com/oauth2/v3/certs',
  userInfo: 'https://openidconnect.googleapis.com/v1/userinfo',
};

export interface GoogleOptions extends Credentials, Surroundings<GoogleEndpoints> {
  /** Only people of these Google Workspace domains, by the claim `hd`. Empty: everybody. */
  hostedDomains?: readonly string[];
  /** Whether the OAuth client has Google's *Session age claims*: only then `auth_time` comes. */
  sessionAgeClaims?: boolean;
  breaker?: BreakerOptions;
  /** Milliseconds of a clock that is never set back, for the age of keys. */
  now?: () => number;
}

export const google = defineProvider({
  name: 'google',
  displayName: 'Google',
  registration: 'an OAuth client of type web application, whose authorized redirect URI',
  settings: {
    hostedDomains: {
      kind: 'domains',
      meaning:
        'Only people of these Google Workspace domains, separated by commas, may sign in with Google. It is the claim `hd` of Google that counts, not the address.',
    },
    sessionAgeClaims: {
      kind: 'flag',
      meaning:
        'Say `on` when *Session age claims* are switched on for the OAuth client: then Google says when somebody signed in there, and is offered also where that matters.',
    },
  },
  standIn: (base): GoogleEndpoints => ({
    authorization: `${base}/o/oauth2/v2/auth`,
    token: `${base}/token`,
    keys: `${base}/oauth2/v3/certs`,
    userInfo: `${base}/v1/userinfo`,
  }),
  create: createGoogle,
});

/** @see https://developers.google.com/identity/openid-connect/openid-connect */
export async function createGoogle(options: GoogleOptions): Promise<Upstream> {
  // @ts-expect-error It brings no types; what is used of it is the type Strategy.
  const { default: GoogleStrategy } = await import('passport-google-oauth20');
  const { GOOGLE_ISSUERS, verifyGoogleIdToken } = await import('./google-id-token.ts');
  const { createPublishedKeys } = await import('./published-keys.ts');
  const {
    clientId,
    clientSecret,
    hostedDomains = [],
    sessionAgeClaims = false,
    keepsTokens,
    fetch,
    endpoints = ENDPOINTS,
    now,
  } = options;
  const strategy: Strategy = new GoogleStrategy(
    {
      ...strategyOptions,
      clientID: clientId,
      clientSecret: '',
      authorizationURL: endpoints.authorization,
      tokenURL: endpoints.token,
      scope: ['openid', 'email', 'profile'],
    },
    verify,
  );
  const breaker = await createBreaker(options.breaker);
  const keys = createPublishedKeys({ read: () => askForJson(fetch, endpoints.keys, {}), now });

  async function identify(code: string, attempt: Attempt, signal: AbortSignal): Promise<UpstreamOutcome> {
    const { tokens, idToken } = await exchangeCode(strategy, { code, attempt, clientSecret, fetch, signal });
    const { accessToken } = tokens;
    const claims = await verifyGoogleIdToken(idToken, { keys, clientId, nonce: attempt.nonce, accessToken });
    const profile = isComplete(claims) ? {} : await askForProfile(accessToken, claims.sub, signal);
    const identity = identityOf(claims, profile);
    if (isStale(identity.authTime, attempt)) throw new UpstreamFailure('stale_sign_in', 'ID token: auth_time');
    if (hostedDomains.length && !hostedDomains.includes(identity.hostedDomain ?? '')) {
      throw new UpstreamFailure('domain_not_allowed', 'ID token: hd');
    }
    return { kind: 'identified', identity, ...(keepsTokens && { tokens }) };
  }

  async function askForProfile(accessToken: string, subject: string, signal: AbortSignal): Promise<JsonObject> {
    const headers = { Authorization: `Bearer ${accessToken}` };
    const profile = await askForJson(fetch, endpoints.userInfo, { headers, signal });
    // @see OpenID Connect Core 5.3.2
    if (profile.sub !== subject) throw untrusted('userinfo: sub');
    return profile;
  }

  return {
    provider: 'google',
    displayName: 'Google',
    saysWhen: sessionAgeClaims,

    begin: (attempt) =>
      authorizationUrl(strategy, attempt, {
        nonce: attempt.nonce,
        login_hint: attempt.request.loginHint,
        hl: attempt.request.uiLocales?.[0],
        // A hint alone: what counts is the claim.
        hd: hostedDomains.length > 1 ? '*' : hostedDomains[0],
        // Google proves nobody anew; the most it does is to ask who.
        prompt: attempt.request.freshSignIn ? 'select_account' : undefined,
        claims: isFreshnessAsked(attempt) ? '{"id_token":{"auth_time":{"essential":true}}}' : undefined,
        access_type: keepsTokens ? 'offline' : undefined,
      }),

    finish: (response, attempt) =>
      finish(response, {
        issuers: GOOGLE_ISSUERS,
        breaker,
        identify: (code, signal) => identify(code, attempt, signal),
      }),
  };
}

function isFreshnessAsked({ request }: Attempt): boolean {
  return request.freshSignIn || request.maxAge !== undefined;
}

/** What nobody has to be asked about again. */
function isComplete({ email, email_verified: isVerified, name }: JWTPayload): boolean {
  return email !== undefined && isVerified !== undefined && name !== undefined;
}

/** What is signed comes before what is only told. */
function identityOf(claims: JWTPayload & { sub: string }, profile: JsonObject): UpstreamIdentity {
  const of = (name: string) => claims[name] ?? profile[name];
  return {
    provider: 'google',
    subject: claims.sub,
    ...said({
      email: emailIn(claims) ?? emailIn(profile) ?? emailOf(claims.email, false),
      name: textOf(of('name')),
      givenName: textOf(of('given_name')),
      familyName: textOf(of('family_name')),
      picture: pictureOf(of('picture'), (host) => host.endsWith('.googleusercontent.com')),
      locale: localeOf(of('locale')),
      hostedDomain: textOf(claims.hd)?.toLowerCase(),
      authTime: Number.isSafeInteger(claims.auth_time) ? (claims.auth_time as number) : undefined,
    }),
  };
}

/** An address and its flag are of one source: the flag of one says nothing about the address of the other. */
function emailIn({ email, email_verified: flag }: Record<string, unknown>) {
  return flag === undefined ? undefined : emailOf(email, flag);
}
