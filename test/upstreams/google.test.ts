import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createGoogle, type GoogleOptions } from '../../src/upstreams/google.ts';
import type { Upstream } from '../../src/upstreams/upstream.ts';
import { type FakeGoogle, type FakePerson, type FakeUpstream, startFakeUpstream } from '../support/fake-upstream.ts';
import { ID_TOKEN_FAULTS } from '../support/fake-upstream-faults.ts';
import { attempt, identityOf, outbound, registerAttempts, signIn } from './attempts.ts';
import { describeUpstream } from './contract.ts';

const PERSON: FakePerson = {
  subject: '110169484474386276334',
  email: 'minji@gmail.com',
  verified: true,
  name: 'Minji Kim',
  givenName: 'Minji',
  familyName: 'Kim',
  picture: 'https://lh3.googleusercontent.com/a/abc=s96-c',
  locale: 'ko',
};

describeUpstream({
  provider: 'google',
  displayName: 'Google',
  scopes: ['openid', 'email', 'profile'],
  issuer: 'https://accounts.google.com',
  foreignIssuer: 'https://discord.com',
  person: PERSON,
  endpoints: ['token', 'keys', 'profile'],
  fakeOf: ({ google }) => google,
  create: ({ google }, options) => createGoogle({ ...google, fetch: outbound, ...options }),
  needProfile({ google }) {
    google.leaveOutOfIdToken = ['name'];
  },
});

describe('Google', () => {
  let upstreams: FakeUpstream;
  let fake: FakeGoogle;
  let google: Upstream;
  beforeAll(async () => {
    upstreams = await startFakeUpstream();
    registerAttempts(upstreams);
    fake = upstreams.google;
  });
  afterAll(() => upstreams.close());
  beforeEach(async () => {
    fake.reset();
    fake.people = [PERSON];
    google = await create();
  });

  const create = (options: Partial<GoogleOptions> = {}) =>
    createGoogle({ ...fake, fetch: outbound, keepsTokens: false, ...options });
  const asked = (path: string) => fake.requests.filter(({ url }) => url.includes(path)).length;

  test('everything that it says of a person arrives, by the ID token alone', async () => {
    expect(await identityOf(google, fake, PERSON)).toEqual({
      provider: 'google',
      subject: '110169484474386276334',
      email: { address: 'minji@gmail.com', verified: true },
      name: 'Minji Kim',
      givenName: 'Minji',
      familyName: 'Kim',
      picture: 'https://lh3.googleusercontent.com/a/abc=s96-c',
      locale: 'ko',
    });
    expect(asked('userinfo')).toBe(0);
  });

  test('the older spelling of its issuer is as good', async () => {
    fake.shortIssuer = true;
    expect(await signIn(google, fake)).toMatchObject({ kind: 'identified' });
  });

  describe('S-097 an ID token that is wrong in one way lets nobody in, and asks for no profile', () => {
    test.each(ID_TOKEN_FAULTS.map((fault) => [fault, fault === 'wrong_issuer' ? 'wrong_issuer' : 'invalid_response']))(
      '%s',
      async (fault, reason) => {
        fake.idTokenFault = fault as FakeGoogle['idTokenFault'];
        fake.leaveOutOfIdToken = ['name'];
        expect(await signIn(google, fake)).toMatchObject({ kind: 'failed', reason });
        expect(asked('userinfo')).toBe(0);
        fake.idTokenFault = undefined;
        expect(await signIn(google, fake)).toMatchObject({ kind: 'identified' });
      },
    );
  });

  test('S-097 an algorithm that is not ours to choose is refused also where the published key names none', async () => {
    google = await create({
      async fetch(url, request) {
        const answer = await outbound(url, request);
        if (!String(url).includes('certs')) return answer;
        return { ...answer, body: Buffer.from(answer.body.toString().replace(',"alg":"RS256"', '')) };
      },
    });
    expect(await signIn(google, fake)).toMatchObject({ kind: 'identified' });
    fake.idTokenFault = 'alg_rs512';
    expect(await signIn(google, fake)).toMatchObject({ kind: 'failed', reason: 'invalid_response' });
  });

  describe('the profile is asked for what the ID token lacks', () => {
    test.each([
      [['name']],
      [['email', 'email_verified']],
      [['email_verified']],
      [['email', 'email_verified', 'name', 'picture']],
    ])('without %j', async (members) => {
      fake.leaveOutOfIdToken = members;
      expect(await identityOf(google, fake, PERSON)).toMatchObject({
        email: { address: 'minji@gmail.com', verified: true },
        name: 'Minji Kim',
        picture: PERSON.picture,
      });
      expect(asked('userinfo')).toBe(1);
    });

    test('and has to be about the same person (OpenID Connect Core 5.3.2)', async () => {
      fake.leaveOutOfIdToken = ['name'];
      const swapped = await create({
        async fetch(url, request) {
          const answer = await outbound(url, request);
          if (!String(url).includes('userinfo')) return answer;
          return { ...answer, body: Buffer.from(answer.body.toString().replace(PERSON.subject, '999')) };
        },
      });
      expect(await signIn(swapped, fake)).toMatchObject({ kind: 'failed', reason: 'invalid_response' });
    });

    test('a flag of the one says nothing about an address of the other', async () => {
      fake.leaveOutOfIdToken = ['email_verified'];
      const changed = await create({
        async fetch(url, request) {
          const answer = await outbound(url, request);
          if (!String(url).includes('userinfo')) return answer;
          const { email, ...profile } = JSON.parse(answer.body.toString());
          return { ...answer, body: Buffer.from(JSON.stringify(profile)) };
        },
      });
      expect(await identityOf(changed, fake, PERSON)).toMatchObject({
        email: { address: 'minji@gmail.com', verified: false },
      });
    });
  });

  describe('hosted domains', () => {
    const MEMBER = { ...PERSON, hostedDomain: 'school.example' };

    test('S-102 only the claim lets in, whatever the address ends with', async () => {
      google = await create({ hostedDomains: ['school.example', 'college.example'] });
      expect(await identityOf(google, fake, MEMBER)).toMatchObject({ hostedDomain: 'school.example' });
      const outsiders = [
        PERSON,
        { ...PERSON, email: 'who@school.example' },
        { ...PERSON, hostedDomain: 'evil.example' },
        { ...PERSON, hostedDomain: 'school.example.evil.example' },
      ];
      for (const person of outsiders) {
        fake.people = [person];
        expect(await signIn(google, fake)).toMatchObject({ kind: 'failed', reason: 'domain_not_allowed' });
      }
    });

    test('S-102 a hint is given: the one, any, or none', async () => {
      const hintOf = async (hostedDomains: string[]) =>
        new URL(await (await create({ hostedDomains })).begin(attempt())).searchParams.get('hd');
      expect(await hintOf(['school.example'])).toBe('school.example');
      expect(await hintOf(['school.example', 'college.example'])).toBe('*');
      expect(await hintOf([])).toBeNull();
    });
  });

  test.each<[picture: unknown, taken: boolean]>([
    ['https://lh3.googleusercontent.com/a/b', true],
    ['http://lh3.googleusercontent.com/a/b', false],
    ['https://evil.example/lh3.googleusercontent.com', false],
    ['https://googleusercontent.com.evil.example/a', false],
    ['https://evilgoogleusercontent.com/a', false],
    ['https://lh3.googleusercontent.com:8443/a', false],
    ['https://a:b@lh3.googleusercontent.com/a', false],
    ['javascript:alert(1)//.googleusercontent.com', false],
    [`https://lh3.googleusercontent.com/${'a'.repeat(3000)}`, false],
    [42, false],
  ])('picture %s is taken: %j', async (picture, isTaken) => {
    const identity = await identityOf(google, fake, { ...PERSON, picture: picture as string });
    expect(identity.picture).toBe(isTaken ? picture : undefined);
  });

  describe('S-164 what was asked for goes along', () => {
    const sentFor = async (request: object) =>
      Object.fromEntries(new URL(await google.begin(attempt(request))).searchParams);

    test('the hint and the first language', async () => {
      const request = { loginHint: 'minji@gmail.com', uiLocales: ['ko', 'en'] };
      expect(await sentFor(request)).toMatchObject({ login_hint: 'minji@gmail.com', hl: 'ko' });
      const plain = await sentFor({});
      for (const name of ['login_hint', 'hl', 'prompt', 'claims', 'access_type', 'hd'])
        expect(plain).not.toHaveProperty(name);
    });

    test('a fresh sign-in: Google asks who, and is asked to say since when', async () => {
      const claims = '{"id_token":{"auth_time":{"essential":true}}}';
      expect(await sentFor({ freshSignIn: true })).toMatchObject({ prompt: 'select_account', claims });
      expect(await sentFor({ maxAge: 300 })).toMatchObject({ claims });
      expect(await sentFor({ maxAge: 300 })).not.toHaveProperty('prompt');
    });

    test.each<[request: object, secondsAgo: number | undefined, isStale: boolean]>([
      [{ maxAge: 300 }, 100, false],
      [{ maxAge: 300 }, 330, false],
      [{ maxAge: 300 }, 1000, true],
      [{ maxAge: 300 }, undefined, false],
      [{ freshSignIn: true }, 5, false],
      [{ freshSignIn: true }, 1000, true],
      [{ freshSignIn: true, maxAge: 0 }, 1000, true],
      [{ freshSignIn: true }, undefined, false],
      [{}, 1_000_000, false],
    ])('%j, proven there %s seconds ago: stale is %j', async (request, secondsAgo, isStale) => {
      const authTime = secondsAgo === undefined ? undefined : Math.floor(Date.now() / 1000) - secondsAgo;
      fake.people = [{ ...PERSON, authTime }];
      const outcome = await signIn(google, fake, request);
      expect(outcome).toMatchObject(isStale ? { kind: 'failed', reason: 'stale_sign_in' } : { kind: 'identified' });
    });
  });

  describe('keys', () => {
    test('are read once and serve everybody', async () => {
      await Promise.all(Array.from({ length: 5 }, () => signIn(google, fake)));
      await signIn(google, fake);
      expect(asked('certs')).toBe(1);
    });

    test('S-108 go on serving through an outage, for people and not for ever', async () => {
      let now = 0;
      google = await create({ now: () => now });
      await signIn(google, fake);
      fake.faults = { keys: 'status_503' };
      now += 23 * 3_600_000;
      expect(await signIn(google, fake)).toMatchObject({ kind: 'identified' });
      now += 2 * 3_600_000;
      expect(await signIn(google, fake)).toMatchObject({ kind: 'failed', reason: 'unavailable' });
    });

    test('S-109 a new one works at once', async () => {
      let now = 0;
      google = await create({ now: () => now });
      await signIn(google, fake);
      fake.rotateKeys();
      now += 30_000;
      expect(await signIn(google, fake)).toMatchObject({ kind: 'identified' });
      expect(asked('certs')).toBe(2);
    });
  });

  test('by itself it goes to Google', async () => {
    const asked: string[] = [];
    const real = await createGoogle({
      clientId: 'c',
      clientSecret: 's',
      keepsTokens: false,
      async fetch(url) {
        asked.push(String(url));
        throw Object.assign(new Error('out of reach'), { name: 'OutboundError', code: 'unreachable' });
      },
    });
    expect(await real.begin(attempt())).toMatch(/^https:\/\/accounts\.google\.com\/o\/oauth2\/v2\/auth\?/);
    expect(await real.finish(new URLSearchParams({ code: 'c' }), attempt())).toMatchObject({ reason: 'unavailable' });
    expect(asked).toEqual(['https://oauth2.googleapis.com/token']);
  });
});
