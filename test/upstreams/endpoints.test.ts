import { beforeAll, describe, expect, test } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { Outbound } from '../../src/platform/http/outbound.ts';
import { createDiscord } from '../../src/upstreams/discord.ts';
import { createGoogle } from '../../src/upstreams/google.ts';
import type { Attempt } from '../../src/upstreams/upstream.ts';
import { attempt } from './attempts.ts';

const GOOGLE = 'https://accounts.google.com';
const DISCORD = 'https://discord.com';
const EVIL = 'https://evil.example';
const KID = 'key';

/** What a discovery document says, where none is asked for: in the middle of other answers. */
const METADATA = {
  issuer: EVIL,
  authorization_endpoint: `${EVIL}/authorize`,
  token_endpoint: `${EVIL}/token`,
  userinfo_endpoint: `${EVIL}/userinfo`,
  jwks_uri: `${EVIL}/keys`,
  id: '80351110224678912',
  sub: '110169484474386276334',
};

let keys: Awaited<ReturnType<typeof generateKeyPair>>;

beforeAll(async () => {
  keys = await generateKeyPair('RS256');
});

/** The ID token has no name, so that the profile is asked for as well. */
const idToken = ({ nonce }: Attempt, issuer: string) =>
  new SignJWT({ nonce, userinfo_endpoint: `${EVIL}/userinfo` })
    .setProtectedHeader({ alg: 'RS256', kid: KID, jku: `${EVIL}/keys`, x5u: `${EVIL}/certificate` })
    .setIssuer(issuer)
    .setSubject(METADATA.sub)
    .setAudience('c')
    .setIssuedAt()
    .setExpirationTime('5m')
    .sign(keys.privateKey);

/** Answers whatever is asked with everything that could lead elsewhere, and remembers where it was asked. */
function createMisleading(journey: Attempt, issuer: string) {
  const asked: string[] = [];
  const fetch: Outbound = async (url) => {
    asked.push(String(url));
    const jwk = { ...(await exportJWK(keys.publicKey)), kid: KID, use: 'sig', alg: 'RS256' };
    const tokens = { access_token: 'a', token_type: 'Bearer', id_token: await idToken(journey, issuer) };
    const body = Buffer.from(JSON.stringify({ ...METADATA, ...tokens, keys: [jwk] }));
    return { status: 200, headers: { 'content-type': 'application/json', link: `<${EVIL}>; rel="issuer"` }, body };
  };
  return { asked, fetch };
}

const credentials = { clientId: 'c', clientSecret: 's', keepsTokens: false };

const providers = [
  {
    provider: 'google',
    create: (fetch: Outbound) => createGoogle({ ...credentials, fetch }),
    authorization: `${GOOGLE}/o/oauth2/v2/auth`,
    asked: [
      'https://oauth2.googleapis.com/token',
      'https://www.googleapis.com/oauth2/v3/certs',
      'https://openidconnect.googleapis.com/v1/userinfo',
    ],
    issuers: [GOOGLE, 'accounts.google.com'],
    others: [DISCORD],
  },
  {
    provider: 'discord',
    create: (fetch: Outbound) => createDiscord({ ...credentials, fetch }),
    authorization: `${DISCORD}/oauth2/authorize`,
    asked: [`${DISCORD}/api/v10/oauth2/token`, `${DISCORD}/api/v10/users/@me`],
    issuers: [DISCORD],
    others: [GOOGLE, 'accounts.google.com', 'discord.com'],
  },
];

const LOOK_ALIKES = [EVIL, '', 'null', '*'];

describe.each(providers)('S-098 $provider', ({ create, authorization, asked: expected, issuers, others }) => {
  test('sends the browser to its own host, and asks nobody where that is', async () => {
    const { asked, fetch } = createMisleading(attempt(), GOOGLE);
    const { origin, pathname } = new URL(await (await create(fetch)).begin(attempt()));
    expect([origin + pathname, asked]).toEqual([authorization, []]);
  });

  test('is asked at its own hosts only, whatever its answers name', async () => {
    const journey = attempt();
    const { asked, fetch } = createMisleading(journey, GOOGLE);
    const upstream = await create(fetch);
    const query = new URLSearchParams({ code: 'code', ...withoutIssuer(METADATA) });
    expect(await upstream.finish(query, journey)).toMatchObject({ kind: 'identified' });
    expect(asked).toEqual(expected);
    const { origin, pathname } = new URL(await upstream.begin(attempt()));
    expect(origin + pathname).toBe(authorization);
  });

  test.each(issuers)('answers as %j', async (iss) => {
    const journey = attempt();
    const { fetch } = createMisleading(journey, GOOGLE);
    const outcome = await (await create(fetch)).finish(new URLSearchParams({ code: 'code', iss }), journey);
    expect(outcome).toMatchObject({ kind: 'identified' });
  });

  test.each([...others, ...LOOK_ALIKES, ...issuers.flatMap(spelledLike)])('does not answer as %j', async (iss) => {
    const journey = attempt();
    const { asked, fetch } = createMisleading(journey, GOOGLE);
    const outcome = await (await create(fetch)).finish(new URLSearchParams({ code: 'code', iss }), journey);
    expect([outcome, asked]).toEqual([expect.objectContaining({ kind: 'failed', reason: 'wrong_issuer' }), []]);
  });
});

test.each([EVIL, DISCORD, '', ...[GOOGLE, 'accounts.google.com'].flatMap(spelledLike)])(
  'S-098 an ID token of %j is not one of Google, and its issuer is not asked for keys',
  async (issuer) => {
    const journey = attempt();
    const { asked, fetch } = createMisleading(journey, issuer);
    const upstream = await createGoogle({ ...credentials, fetch });
    const outcome = await upstream.finish(new URLSearchParams({ code: 'code' }), journey);
    expect(outcome).toMatchObject({ kind: 'failed', reason: 'wrong_issuer' });
    expect(asked).toEqual(['https://oauth2.googleapis.com/token', 'https://www.googleapis.com/oauth2/v3/certs']);
  },
);

/** Compared as they are, not as addresses. */
function spelledLike(issuer: string): string[] {
  return [`${issuer}/`, issuer.toUpperCase(), `${issuer}.evil.example`, `${issuer}@evil.example`, ` ${issuer}`];
}

/** All but the issuer, which the callback has in a parameter of its own (`iss`). */
function withoutIssuer({ issuer: _, ...metadata }: typeof METADATA): Record<string, string> {
  return metadata;
}
