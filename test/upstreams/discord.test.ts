import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createDiscord } from '../../src/upstreams/discord.ts';
import type { Upstream } from '../../src/upstreams/upstream.ts';
import { type FakePerson, type FakeUpstream, startFakeUpstream } from '../support/fake-upstream.ts';
import { attempt, identityOf, outbound, registerAttempts, signIn } from './attempts.ts';
import { describeUpstream } from './contract.ts';

const HASH = '8342729096ea3675442027381ff50dfe';

const PERSON: FakePerson = {
  subject: '80351110224678912',
  userName: 'nelly',
  name: 'Nelly',
  email: 'nelly@mail.example',
  verified: true,
  picture: HASH,
  locale: 'en-US',
};

describeUpstream({
  provider: 'discord',
  displayName: 'Discord',
  scopes: ['identify', 'email'],
  issuer: 'https://discord.com',
  foreignIssuer: 'https://accounts.google.com',
  person: PERSON,
  endpoints: ['token', 'profile'],
  fakeOf: ({ discord }) => discord,
  create: ({ discord }, options) => createDiscord({ ...discord, fetch: outbound, ...options }),
});

describe('Discord', () => {
  let upstreams: FakeUpstream;
  let discord: Upstream;
  beforeAll(async () => {
    upstreams = await startFakeUpstream();
    registerAttempts(upstreams);
  });
  afterAll(() => upstreams.close());
  beforeEach(async () => {
    discord = await createDiscord({ ...upstreams.discord, fetch: outbound, keepsTokens: false });
  });

  test('everything that it says of a person arrives', async () => {
    expect(await identityOf(discord, upstreams.discord, PERSON)).toEqual({
      provider: 'discord',
      subject: '80351110224678912',
      email: { address: 'nelly@mail.example', verified: true },
      name: 'Nelly',
      userName: 'nelly',
      picture: `https://cdn.discordapp.com/avatars/80351110224678912/${HASH}.png`,
      locale: 'en-US',
    });
  });

  test('who has no display name goes by the user name', async () => {
    const identity = await identityOf(discord, upstreams.discord, { ...PERSON, name: undefined });
    expect(identity).toMatchObject({ name: 'nelly', userName: 'nelly' });
  });

  test.each<[what: string, told: Partial<FakePerson>, path: string]>([
    ['a still picture', { picture: HASH }, `avatars/80351110224678912/${HASH}.png`],
    ['an animated one', { picture: `a_${HASH}` }, `avatars/80351110224678912/a_${HASH}.gif`],
    ['none, with a name of today: by the number', { picture: null }, 'embed/avatars/5.png'],
    ['none, with another number', { subject: '80351110228873216', picture: null }, 'embed/avatars/0.png'],
    ['none, with four digits: by them', { picture: null, discriminator: '1337' }, 'embed/avatars/2.png'],
    ['something that is no hash', { picture: '../../evil' }, 'embed/avatars/5.png'],
  ])('the picture of who has %s', async (_what, told, path) => {
    const { picture } = await identityOf(discord, upstreams.discord, { ...PERSON, ...told });
    expect(picture).toBe(`https://cdn.discordapp.com/${path}`);
  });

  test.each(['80351110224678912', '""', '"nelly"', '"8035111022467891200000"', 'null', '{"id":"1"}', '"1\\u0000"'])(
    'S-093 a number that is %s is nobody',
    async (id) => {
      upstreams.discord.people = [PERSON];
      discord = await createDiscord({
        ...upstreams.discord,
        keepsTokens: false,
        async fetch(url, request) {
          const answer = await outbound(url, request);
          return { ...answer, body: Buffer.from(answer.body.toString().replace(`"${PERSON.subject}"`, id)) };
        },
      });
      expect(await signIn(discord, upstreams.discord)).toEqual({
        kind: 'failed',
        reason: 'invalid_response',
        problem: 'user: id',
      });
    },
  );

  test('S-164 it is asked to ask again for a fresh sign-in, and otherwise to ask those only who never agreed', async () => {
    const promptOf = async (request: object) =>
      new URL(await discord.begin(attempt(request))).searchParams.get('prompt');
    expect(await promptOf({})).toBe('none');
    expect(await promptOf({ maxAge: 60 })).toBe('none');
    expect(await promptOf({ freshSignIn: true })).toBe('consent');
  });

  test('by itself it goes to Discord, to version 10 of its interface', async () => {
    const asked: string[] = [];
    const real = await createDiscord({
      clientId: 'c',
      clientSecret: 's',
      keepsTokens: false,
      async fetch(url) {
        asked.push(String(url));
        const json = asked.length === 1 ? { access_token: 't', token_type: 'Bearer' } : { id: '1', username: 'n' };
        return {
          status: 200,
          headers: { 'content-type': 'application/json' },
          body: Buffer.from(JSON.stringify(json)),
        };
      },
    });
    expect(await real.begin(attempt())).toMatch(/^https:\/\/discord\.com\/oauth2\/authorize\?/);
    expect(await real.finish(new URLSearchParams({ code: 'c' }), attempt())).toMatchObject({ kind: 'identified' });
    expect(asked).toEqual(['https://discord.com/api/v10/oauth2/token', 'https://discord.com/api/v10/users/@me']);
  });
});
