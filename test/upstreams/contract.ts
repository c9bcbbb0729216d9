import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { BreakerOptions } from '../../src/upstreams/circuit-breaker.ts';
import type { Upstream } from '../../src/upstreams/upstream.ts';
import {
  type FakeEndpoint,
  type FakePerson,
  type FakeProvider,
  type FakeUpstream,
  startFakeUpstream,
} from '../support/fake-upstream.ts';
import type { TransportFault } from '../support/fake-upstream-faults.ts';
import { attempt, callbackOf, identityOf, REDIRECT_URI, signIn } from './attempts.ts';

export interface UpstreamUnderTest {
  provider: string;
  displayName: string;
  scopes: string[];
  issuer: string;
  /** Another provider's. */
  foreignIssuer: string;
  person: FakePerson;
  /** Everything that a sign-in asks for. */
  endpoints: FakeEndpoint[];
  create(
    fake: FakeUpstream,
    options: { keepsTokens: boolean; clientSecret?: string; breaker?: BreakerOptions },
  ): Upstream;
  fakeOf(fake: FakeUpstream): FakeProvider;
  /** Makes it ask for the profile too, where it does not always. */
  needProfile?(fake: FakeUpstream): void;
}

/** What every upstream does, whoever is behind it. */
export function describeUpstream(under: UpstreamUnderTest): void {
  let upstreams: FakeUpstream;
  let fake: FakeProvider;
  let upstream: Upstream;

  beforeAll(async () => {
    upstreams = await startFakeUpstream();
  });
  afterAll(() => upstreams.close());

  beforeEach(() => {
    fake = under.fakeOf(upstreams);
    Object.assign(fake, { people: [under.person], faults: {}, requests: [], issuer: under.issuer });
    Object.assign(upstreams.google, { idTokenFault: undefined, shortIssuer: false, leaveOutOfIdToken: [] });
    upstream = create();
  });

  const create = (options: Partial<Parameters<UpstreamUnderTest['create']>[1]> = {}) =>
    under.create(upstreams, { keepsTokens: false, ...options });

  test('it has a name for addresses and one for people', () => {
    expect([upstream.provider, upstream.displayName]).toEqual([under.provider, under.displayName]);
  });

  describe('the way there', () => {
    test('S-095 S-099 carries state, PKCE by S256 and the least scopes, asks nobody and gives no secret away', async () => {
      const journey = attempt();
      const url = new URL(await upstream.begin(journey));
      expect(`${url.origin}${url.pathname}`).toBe((fake.endpoints as { authorization: string }).authorization);
      const sent = Object.fromEntries(url.searchParams);
      expect(sent).toMatchObject({
        response_type: 'code',
        client_id: fake.clientId,
        redirect_uri: REDIRECT_URI,
        state: journey.state,
        code_challenge: createHash('sha256').update(journey.codeVerifier).digest('base64url'),
        code_challenge_method: 'S256',
      });
      expect(sent.scope!.split(' ').toSorted()).toEqual(under.scopes.toSorted());
      expect(url.href).not.toContain(fake.clientSecret);
      expect(url.href).not.toContain(journey.codeVerifier);
      expect(fake.requests).toEqual([]);
    });

    test('does not become longer or shorter by what another journey asked for', async () => {
      const plain = attempt();
      const before = await upstream.begin(plain);
      await upstream.begin(attempt({ freshSignIn: true, maxAge: 60, loginHint: 'a@b.example', uiLocales: ['ko'] }));
      expect(await upstream.begin(plain)).toBe(before);
    });
  });

  describe('the way back', () => {
    test('S-093 says who it is, by the provider and the subject there', async () => {
      const outcome = await signIn(upstream, fake);
      expect(outcome).toMatchObject({
        kind: 'identified',
        identity: { provider: under.provider, subject: under.person.subject },
      });
    });

    test('S-099 tokens are not handed out unless they are to be kept', async () => {
      expect(await signIn(upstream, fake)).not.toHaveProperty('tokens');
      const now = Date.now() / 1000;
      const outcome = await signIn(create({ keepsTokens: true }), fake);
      const tokens = outcome.kind === 'identified' ? outcome.tokens : undefined;
      expect(tokens).toEqual({
        accessToken: expect.any(String),
        refreshToken: expect.any(String),
        scope: expect.stringContaining('email'),
        expiresAt: expect.any(Number),
      });
      expect(tokens!.expiresAt).toBeGreaterThan(now + 3_000);
    });

    test('many at once are told apart', async () => {
      const numbers = Array.from({ length: 20 }, (_, index) => String(BigInt('80351110224678912') + BigInt(index)));
      fake.people = numbers.map((subject) => ({ ...under.person, subject }));
      const outcomes = await Promise.all(numbers.map((as) => signIn(upstream, fake, { as })));
      expect(outcomes.map((outcome) => outcome.kind === 'identified' && outcome.identity.subject)).toEqual(numbers);
    });

    test('access tokens and the client secret travel in headers and bodies, never in an address', async () => {
      under.needProfile?.(upstreams);
      await signIn(upstream, fake);
      const { requests } = fake;
      expect(requests.map(({ url }) => url).filter((url) => /token=|secret=/.test(url))).toEqual([]);
      const asked = requests.filter(({ headers }) => headers.authorization !== undefined);
      expect(asked).toHaveLength(1);
      expect(asked[0]!.headers['user-agent']).toMatch(/^Daemun/);
    });

    test('cancelling there is no failure', async () => {
      const journey = attempt();
      const response = await callbackOf(upstream, fake, journey, { deny: true });
      expect(response.get('error')).toBe('access_denied');
      expect(await upstream.finish(response, journey)).toEqual({ kind: 'denied' });
    });
  });

  describe('S-106 errors in the callback are answered by codes of ours, and nobody is asked', () => {
    test.each<[query: string, outcome: object]>([
      ['error=access_denied', { kind: 'denied' }],
      ['error=access_denied&error_description=%3Cscript%3E&code=c', { kind: 'denied' }],
      ['error=server_error', { kind: 'failed', reason: 'unavailable', problem: 'callback: server_error' }],
      ['error=temporarily_unavailable', { kind: 'failed', reason: 'unavailable', problem: expect.any(String) }],
      [
        'error=invalid_scope&error_description=%3Cscript%3E',
        { kind: 'failed', reason: 'refused', problem: 'callback: invalid_scope' },
      ],
      ['error=%3Cscript%3E', { kind: 'failed', reason: 'refused', problem: 'callback: error' }],
      ['error=', { kind: 'failed', reason: 'refused', problem: 'callback: error' }],
      [
        'error=access_denied&error=server_error',
        { kind: 'failed', reason: 'invalid_response', problem: expect.any(String) },
      ],
      ['', { kind: 'failed', reason: 'invalid_response', problem: 'callback: no code' }],
      ['code=', { kind: 'failed', reason: 'invalid_response', problem: 'callback: no code' }],
      ['code=one&code=two', { kind: 'failed', reason: 'invalid_response', problem: expect.any(String) }],
      [`code=${'c'.repeat(3000)}`, { kind: 'failed', reason: 'invalid_response', problem: 'callback: no code' }],
    ])('%s', async (query, outcome) => {
      expect(await upstream.finish(new URLSearchParams(query), attempt())).toEqual(outcome);
      expect(fake.requests).toEqual([]);
    });
  });

  describe('S-096 the issuer of the response (RFC 9207)', () => {
    test('may be left out, and is compared where it is sent', async () => {
      fake.issuer = undefined;
      expect(await signIn(upstream, fake)).toMatchObject({ kind: 'identified' });
      fake.issuer = under.issuer;
      expect(await signIn(upstream, fake)).toMatchObject({ kind: 'identified' });
    });

    test.each(['another provider', 'https://evil.example', '', `${'x'.repeat(10)}`])(
      '%j instead of the right one ends it before any code is sent anywhere',
      async (issuer) => {
        fake.issuer = issuer === 'another provider' ? under.foreignIssuer : issuer;
        const journey = attempt();
        const response = await callbackOf(upstream, fake, journey);
        fake.requests.length = 0;
        expect(await upstream.finish(response, journey)).toMatchObject({ kind: 'failed', reason: 'wrong_issuer' });
        expect(fake.requests).toEqual([]);
      },
    );

    test('an error of another issuer is not taken for a cancelled sign-in', async () => {
      const response = new URLSearchParams({ error: 'access_denied', iss: under.foreignIssuer });
      expect(await upstream.finish(response, attempt())).toMatchObject({ kind: 'failed', reason: 'wrong_issuer' });
    });
  });

  describe('S-095 codes', () => {
    test('of another attempt are worth nothing here: its verifier does not fit', async () => {
      const victim = attempt();
      const response = await callbackOf(upstream, fake, attempt());
      expect(await upstream.finish(response, victim)).toMatchObject({ kind: 'failed', reason: 'refused' });
    });

    test('work once', async () => {
      const journey = attempt();
      const response = await callbackOf(upstream, fake, journey);
      expect(await upstream.finish(response, journey)).toMatchObject({ kind: 'identified' });
      expect(await upstream.finish(response, journey)).toEqual({
        kind: 'failed',
        reason: 'refused',
        problem: expect.stringContaining('invalid_grant'),
      });
    });

    test('are bound to the address that they were sent to', async () => {
      const journey = attempt();
      const response = await callbackOf(upstream, fake, journey);
      const elsewhere = { ...journey, redirectUri: 'https://evil.example/callback' };
      expect(await upstream.finish(response, elsewhere)).toMatchObject({ kind: 'failed', reason: 'refused' });
    });

    test('are refused to a client with another secret, and the log is told why', async () => {
      expect(await signIn(create({ clientSecret: 'wrong' }), fake)).toEqual({
        kind: 'failed',
        reason: 'refused',
        problem: expect.stringMatching(/token answered 401 invalid_client$/),
      });
    });
  });

  describe('S-108 an upstream that is not well', () => {
    const wellKnown: [TransportFault, reason: string][] = [
      ['reset', 'unavailable'],
      ['status_500', 'unavailable'],
      ['status_503', 'unavailable'],
      ['status_429', 'unavailable'],
      ['status_400', 'refused'],
      ['status_401', 'refused'],
      ['huge', 'invalid_response'],
      ['broken_json', 'invalid_response'],
      ['json_array', 'invalid_response'],
      ['wrong_type', 'invalid_response'],
      ['redirect', 'invalid_response'],
    ];
    const cases = under.endpoints.flatMap((at) => wellKnown.map(([fault, reason]) => [at, fault, reason] as const));

    test.each(cases)('at %s: %s is %s', async (at, fault, reason) => {
      under.needProfile?.(upstreams);
      fake.faults = { [at]: fault };
      const outcome = await signIn(upstream, fake);
      expect(outcome).toEqual({ kind: 'failed', reason, problem: expect.any(String) });
      expect(JSON.stringify(outcome)).not.toMatch(/<|Bad|Unauthorized/);
      fake.faults = {};
      expect(await signIn(upstream, fake)).toMatchObject({ kind: 'identified' });
    });

    test.each(under.endpoints.flatMap((at) => (['hang', 'drip'] as const).map((fault) => [at, fault] as const)))(
      'at %s: %s lasts until the deadline of the whole sign-in and no longer',
      async (at, fault) => {
        under.needProfile?.(upstreams);
        const end = new AbortController();
        const impatient = create({ breaker: { deadline: () => end.signal } });
        fake.faults = { [at]: fault };
        const seen = fake.nextRequest(at);
        const finished = signIn(impatient, fake);
        await seen;
        end.abort();
        expect(await finished).toMatchObject({ kind: 'failed', reason: 'timeout' });
      },
    );

    test('is left alone after five failures in a row, and tried again by one sign-in later', async () => {
      const patient = create({ breaker: { pause: 60_000 } });
      fake.faults = { token: 'status_503' };
      for (let count = 0; count < 5; count++) await signIn(patient, fake);
      const asked = () => fake.requests.filter(({ method }) => method === 'POST').length;
      expect(asked()).toBe(5);
      fake.faults = {};
      expect(await signIn(patient, fake)).toMatchObject({ kind: 'failed', reason: 'unavailable' });
      expect(asked()).toBe(5);
    });

    test('is not given up for codes that are wrong: a stranger cannot close the door for everybody', async () => {
      for (let count = 0; count < 10; count++) {
        const response = new URLSearchParams({ code: 'made-up' });
        expect(await upstream.finish(response, attempt())).toMatchObject({ kind: 'failed', reason: 'refused' });
      }
      expect(await signIn(upstream, fake)).toMatchObject({ kind: 'identified' });
    });
  });

  describe('S-111 an address is verified only where it is flagged so', () => {
    test.each<[flag: unknown, verified: boolean]>([
      [true, true],
      [false, false],
      ['true', false],
      ['1', false],
      [1, false],
      [null, false],
      [{}, false],
      [undefined, false],
    ])('flag %j: %j', async (verified, expected) => {
      const identity = await identityOf(upstream, fake, { ...under.person, email: 'who@mail.example', verified });
      expect(identity.email).toEqual({ address: 'who@mail.example', verified: expected });
    });

    test.each([null, undefined, '', 'no address', 'two@signs@mail.example', 'nul\u0000@mail.example', 42])(
      '%j is no address',
      async (email) => {
        const identity = await identityOf(upstream, fake, { ...under.person, email: email as string, verified: true });
        expect(identity).not.toHaveProperty('email');
      },
    );
  });

  describe('what the provider says of a person is taken only in its form', () => {
    test.each<[member: string, told: object, expected: unknown]>([
      ['name', { name: '김다은 🙂' }, '김다은 🙂'],
      ['name', { name: '  spaced  ' }, 'spaced'],
      ['locale', { locale: 'ko' }, 'ko'],
      ['locale', { locale: 'en_us' }, 'en-US'],
      ['locale', { locale: 'not a locale' }, undefined],
      ['locale', { locale: '../etc' }, undefined],
    ])('%s of %j', async (member, told, expected) => {
      const identity = await identityOf(upstream, fake, { ...under.person, ...told });
      expect((identity as unknown as Record<string, unknown>)[member]).toEqual(expected);
    });

    test.each(['two\nlines', 'nul\u0000', 'x'.repeat(300), '\ud800'])('name %j is not taken', async (name) => {
      const identity = await identityOf(upstream, fake, { ...under.person, name });
      expect(identity.name).not.toBe(name);
    });
  });
}
