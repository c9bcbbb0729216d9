import { randomBytes } from 'node:crypto';
import { type DiscordEndpoints, discord } from '../../src/upstreams/discord.ts';
import type { FakeProvider } from './fake-upstream.ts';
import type { Grant } from './fake-upstream-grants.ts';
import { type ProviderRules, playProvider, type Routes } from './fake-upstream-provider.ts';

const invalid = (error: string, what: string) => ({
  status: 400,
  error,
  error_description: `Invalid "${what}" in request.`,
});

function rulesAt(origin: string): ProviderRules<DiscordEndpoints> {
  return {
    name: 'discord',
    title: 'Discord (imitation)',
    endpoints: discord.standIn(`${origin}/discord`),
    issuer: 'https://discord.com',
    problems: {
      client: 'Unknown Application',
      redirectUri: 'Invalid OAuth2 redirect_uri',
      request: 'Invalid Form Body',
    },
    refusals: {
      client: { status: 401, error: 'invalid_client' },
      body: invalid('invalid_request', 'grant_type'),
      grantType: {
        status: 400,
        error: 'unsupported_grant_type',
        error_description: 'Grant type None is not supported',
      },
      code: invalid('invalid_grant', 'code'),
      redirectUri: invalid('invalid_grant', 'redirect_uri'),
      verifierMissing: invalid('invalid_grant', 'code_verifier'),
      verifierWrong: invalid('invalid_grant', 'code_verifier'),
    },
    offered: (people) => people,
    skipsPage: (params) => params.get('prompt') === 'none',
    extras: () => ({}),
    denial: { error_description: 'The resource owner or authorization server denied the request' },
    // Its outposts do not talk to programs that do not say who they are.
    turnsAway: (headers) => !headers['user-agent'],
    unauthorized: { message: '401: Unauthorized', code: 0 },
  };
}

/** Discord as its users and its clients meet it. */
export function playDiscord(
  origin: string,
  routes: Routes,
  options: { clientSecret?: string },
): FakeProvider<DiscordEndpoints> {
  const rules = rulesAt(origin);
  const { fake, grants, serve, redeemed, profile } = playProvider(rules, routes, options);
  const { token, user } = rules.endpoints;
  const answer = redeemed((grant) => ({
    token_type: 'Bearer',
    access_token: grants.accessToken(grant),
    expires_in: 604_800,
    refresh_token: randomBytes(24).toString('base64url'),
    scope: grant.scopes.toSorted().join(' '),
  }));
  serve('POST', token, 'token', answer);
  serve('GET', user, 'profile', profile(discordUser));
  return fake;
}

/** As /users/@me of version 10 answers. */
function discordUser({ person, scopes }: Grant): Record<string, unknown> {
  return {
    id: person.subject,
    username: person.userName ?? 'somebody',
    discriminator: person.discriminator ?? '0',
    global_name: person.name ?? null,
    avatar: person.picture ?? null,
    banner: null,
    accent_color: null,
    public_flags: 0,
    flags: 0,
    mfa_enabled: false,
    premium_type: 0,
    locale: person.locale ?? 'en-US',
    ...(scopes.includes('email') && { email: person.email ?? null, verified: person.verified }),
  };
}
