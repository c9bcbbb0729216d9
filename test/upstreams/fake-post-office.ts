import { randomBytes } from 'node:crypto';
import type { FakeProvider } from '../support/fake-upstream.ts';
import { playProvider, type Routes } from '../support/fake-upstream-provider.ts';
import { type PostOfficeEndpoints, postOffice } from './post-office.ts';

const invalid = (error: string) => ({ status: 400, error });

/** The post office as its visitors and its clients meet it: a third provider brings its fake, too. */
export function playPostOffice(
  origin: string,
  routes: Routes,
  options: { clientSecret?: string },
): FakeProvider<PostOfficeEndpoints> {
  const endpoints = postOffice.standIn(`${origin}/post_office`) as PostOfficeEndpoints;
  const { fake, grants, serve, redeemed, profile } = playProvider(
    {
      name: 'post_office',
      title: 'Post Office (imitation)',
      endpoints,
      issuer: 'https://post.example',
      problems: { client: 'No such letter box', redirectUri: 'Another return address', request: 'Illegible' },
      refusals: {
        client: { status: 401, error: 'invalid_client' },
        body: invalid('invalid_request'),
        grantType: invalid('unsupported_grant_type'),
        code: invalid('invalid_grant'),
        redirectUri: invalid('invalid_grant'),
        verifierMissing: invalid('invalid_grant'),
        verifierWrong: invalid('invalid_grant'),
      },
      offered: (people) => people,
      skipsPage: () => false,
      extras: () => ({}),
      denial: {},
      turnsAway: () => false,
      unauthorized: { message: 'no stamp' },
    },
    routes,
    options,
  );
  const answer = redeemed((grant) => ({
    token_type: 'Bearer',
    access_token: grants.accessToken(grant),
    expires_in: 86_400,
    refresh_token: randomBytes(24).toString('base64url'),
    scope: grant.scopes.join(' '),
  }));
  serve('POST', endpoints.token, 'token', answer);
  serve(
    'GET',
    endpoints.person,
    'profile',
    profile(({ person: { subject, name, email, verified, locale } }) => ({
      number: subject,
      name,
      email,
      verified,
      locale,
    })),
  );
  return fake;
}
