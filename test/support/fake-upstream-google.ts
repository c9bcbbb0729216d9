import { randomBytes } from 'node:crypto';
import { type GoogleEndpoints, google } from '../../src/upstreams/google.ts';
import type { FakeGoogle, FakePerson } from './fake-upstream.ts';
import { googleProfile } from './fake-upstream-google-profile.ts';
import type { Grant } from './fake-upstream-grants.ts';
import { createGoogleKeys, googleIdToken } from './fake-upstream-id-token.ts';
import { type ProviderRules, playProvider, type Routes } from './fake-upstream-provider.ts';

const refused = (error: string, error_description: string, status = 400) => ({ status, error, error_description });

function rulesAt(origin: string): ProviderRules<GoogleEndpoints> {
  return {
    name: 'google',
    title: 'Google (imitation)',
    endpoints: google.standIn(`${origin}/google`),
    issuer: 'https://accounts.google.com',
    problems: {
      client: 'Error 401: invalid_client. The OAuth client was not found.',
      redirectUri: 'Error 400: redirect_uri_mismatch. It is not one that is registered for this client.',
      request: 'Error 400: invalid_request. A required parameter is missing or wrong.',
    },
    refusals: {
      client: refused('invalid_client', 'Unauthorized', 401),
      body: refused('invalid_request', 'Bad Request'),
      grantType: refused('unsupported_grant_type', 'Invalid grant_type'),
      code: refused('invalid_grant', 'Malformed auth code.'),
      redirectUri: refused('redirect_uri_mismatch', 'Bad Request'),
      verifierMissing: refused('invalid_grant', 'Missing code verifier.'),
      verifierWrong: refused('invalid_grant', 'Invalid code verifier.'),
    },
    offered,
    // Several accounts are signed in there, so that it always asks which.
    skipsPage: () => false,
    extras: ({ person, params, scopes }) => ({
      scope: longScopes(scopes),
      authuser: '0',
      ...(person.hostedDomain !== undefined && { hd: person.hostedDomain }),
      prompt: params.get('prompt') ?? 'none',
    }),
    denial: {},
    turnsAway: () => false,
    unauthorized: { error: 'invalid_request', error_description: 'Invalid Credentials' },
  };
}

/** `hd` leaves out accounts of other domains, `*` those of none; who is named in `login_hint` comes first. Both are hints. */
function offered(people: FakePerson[], params: URLSearchParams): FakePerson[] {
  const [domain, hint] = [params.get('hd'), params.get('login_hint')];
  const isHinted = ({ subject, email }: FakePerson) => hint !== null && (hint === subject || hint === email);
  return people
    .filter(({ hostedDomain }) => domain === null || (domain === '*' ? hostedDomain : hostedDomain === domain))
    .toSorted((one, other) => Number(isHinted(other)) - Number(isHinted(one)));
}

const LONG: Record<string, string> = {
  email: 'https://www.googleapis.com/auth/userinfo.email',
  profile: 'https://www.googleapis.com/auth/userinfo.profile',
};

/** It answers with other names of the scopes than it was asked with. */
function longScopes(scopes: string[]): string {
  return scopes.map((scope) => LONG[scope] ?? scope).join(' ');
}

/** Once for each person, however often they come; `prompt=consent` asks them again. */
function hasRefreshToken({ params, isFirstConsent }: Grant): boolean {
  if (params.get('access_type') !== 'offline') return false;
  return isFirstConsent || (params.get('prompt') ?? '').split(' ').includes('consent');
}

/** Google as its users and its clients meet it. */
export function playGoogle(origin: string, routes: Routes, options: { clientSecret?: string }): FakeGoogle {
  const rules = rulesAt(origin);
  const keys = createGoogleKeys();
  const { fake, grants, serve, redeemed, profile } = playProvider(rules, routes, options);
  const sound = { shortIssuer: false, leaveOutOfIdToken: [], idTokenFault: undefined };
  const { reset } = fake;
  const played: FakeGoogle = Object.assign(fake, sound, {
    rotateKeys: () => keys.rotate(),
    reset() {
      reset();
      Object.assign(played, sound);
    },
  });

  const { token, keys: keysAt, userInfo } = rules.endpoints;
  const answer = redeemed(async (grant) => {
    const accessToken = grants.accessToken(grant);
    const { clientId, shortIssuer, leaveOutOfIdToken: leaveOut, idTokenFault: fault } = played;
    return {
      access_token: accessToken,
      expires_in: 3599,
      ...(hasRefreshToken(grant) && { refresh_token: `1//${randomBytes(24).toString('base64url')}` }),
      scope: longScopes(grant.scopes),
      token_type: 'Bearer',
      id_token: await googleIdToken({ clientId, grant, accessToken, keys, shortIssuer, leaveOut, fault }),
    };
  });
  serve('POST', token, 'token', answer);
  serve('GET', keysAt, 'keys', () => ({ status: 200, json: keys.jwks() }));
  serve('GET', userInfo, 'profile', profile(googleProfile));
  return played;
}
