import { crc32 } from 'node:zlib';
import { createVerifier, type VerifierOptions } from '@daemun/verify';
import { describe, expect, test } from '@jest/globals';
import { frameworks, send } from './support/apps.ts';
import { AUDIENCE, accessToken, createKey, FakeClock, FakeIssuer, ISSUER, NOW } from './support/issuer.ts';
import { createProof } from './support/proof.ts';

const signingKey = createKey('ES256');
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** By arithmetic of its own: digits of the checksum from the largest power down. */
function keyOf(letters: string, prefix = 'sk-'): string {
  const body = prefix + letters.padEnd(30, 'x');
  const sum = crc32(body);
  const digits = [5, 4, 3, 2, 1, 0].map((power) => ALPHABET.charAt(Math.floor(sum / 62 ** power) % 62));
  return body + digits.join('');
}

const KEY = keyOf('one');
const ANSWER = {
  active: true,
  iss: ISSUER,
  sub: 'user-1',
  aud: AUDIENCE,
  scope: 'read write',
  iat: NOW - 60,
  exp: NOW + 86_400,
  jti: '0190a1b2-key',
  token_type: 'Bearer',
};

/** A provider that also introspects, and writes down what it was asked. */
class IntrospectingIssuer extends FakeIssuer {
  answers: Record<string, unknown> = { [KEY]: ANSWER };
  status = 200;
  readonly asked: { form: URLSearchParams; headers: Record<string, string>; url: string }[] = [];
  readonly introspect = async (url: string, init?: RequestInit): Promise<Response> => {
    if (init?.method !== 'POST') return this.fetch(url);
    const form = new URLSearchParams(init.body as string);
    this.asked.push({ form, headers: init.headers as Record<string, string>, url });
    await this.gate;
    if (this.down) throw new TypeError('fetch failed');
    const answer = this.answers[form.get('token') as string] ?? { active: false };
    return Response.json(answer, { status: this.status });
  };

  constructor() {
    super(signingKey);
    this.metadata.introspection_endpoint = `${ISSUER}/introspect`;
  }
}

function setUp(options: Partial<VerifierOptions> = {}) {
  const issuer = new IntrospectingIssuer();
  const clock = new FakeClock();
  const verifier = createVerifier({
    issuer: ISSUER,
    audience: AUDIENCE,
    apiKeys: { clientId: 'api one', clientSecret: 's+c%r t' },
    fetch: issuer.introspect,
    now: clock.now,
    ...options,
  });
  return { issuer, clock, verifier };
}

describe('an API key', () => {
  test('becomes the same kind of Caller as a token', async () => {
    const { verifier } = setUp();
    expect(await verifier.verify(KEY, { scopes: ['read'] })).toEqual({
      subject: 'user-1',
      scopes: ['read', 'write'],
      audience: [AUDIENCE],
      issuedAt: new Date((NOW - 60) * 1000),
      expiresAt: new Date((NOW + 86_400) * 1000),
      tokenId: '0190a1b2-key',
      keyId: '0190a1b2-key',
      claims: ANSWER,
    });
  });

  test('may never end, and have no scopes', async () => {
    const { verifier, issuer } = setUp();
    const { exp: _, scope: __, ...answer } = ANSWER;
    issuer.answers[KEY] = answer;
    const caller = await verifier.verify(KEY);
    expect(caller.expiresAt).toBeUndefined();
    expect(caller.scopes).toEqual([]);
  });

  test('is asked about as our client, for our resources, with the address it came from', async () => {
    const { verifier, issuer } = setUp({ audience: [AUDIENCE, 'urn:api'] });
    await verifier.verify(KEY, { address: '192.0.2.7' });
    const [{ form, headers, url }] = issuer.asked as [(typeof issuer.asked)[0]];
    expect(url).toBe(`${ISSUER}/introspect`);
    expect([...form]).toEqual([
      ['token', KEY],
      ['address', '192.0.2.7'],
      ['resource', AUDIENCE],
      ['resource', 'urn:api'],
    ]);
    const pair = Buffer.from('api+one:s%2Bc%25r+t').toString('base64');
    expect(headers.authorization).toBe(`Basic ${pair}`);
  });

  test('with another prefix is recognised by that', async () => {
    const key = keyOf('one', 'acme_k-');
    const { verifier, issuer } = setUp({ apiKeys: { clientId: 'api', clientSecret: 's', prefix: 'acme_k-' } });
    issuer.answers[key] = ANSWER;
    expect((await verifier.verify(key)).keyId).toBe(ANSWER.jti);
    await expect(verifier.verify(KEY)).rejects.toMatchObject({ cause: 'malformed' });
  });

  test('needs no discovery when the endpoint is given', async () => {
    const endpoint = `${ISSUER}/elsewhere`;
    const { verifier, issuer } = setUp({
      apiKeys: { clientId: 'api', clientSecret: 's', introspectionEndpoint: endpoint },
    });
    await verifier.verify(KEY);
    expect([issuer.requests, issuer.asked.map(({ url }) => url)]).toEqual([[], [endpoint]]);
  });
});

describe('nobody is asked about', () => {
  test.each([
    ['a checksum that does not fit', `${KEY.slice(0, -1)}${KEY.endsWith('a') ? 'b' : 'a'}`],
    ['two letters that changed places', KEY.replace('one', 'oen')],
    ['a key that was cut off', KEY.slice(0, -1)],
    ['a key with something after it', `${KEY}0`],
    ['the bare prefix', 'sk-'],
  ])('%s', async (_, credential) => {
    const { verifier, issuer } = setUp();
    await expect(verifier.verify(credential)).rejects.toMatchObject({ code: 'ERR_ACCESS_TOKEN', cause: 'malformed' });
    expect([issuer.asked, issuer.requests]).toEqual([[], []]);
  });

  test('a key where keys are not taken', async () => {
    const { verifier, issuer } = setUp({ apiKeys: undefined });
    await expect(verifier.verify(KEY)).rejects.toMatchObject({ cause: 'malformed' });
    expect([issuer.asked, issuer.requests]).toEqual([[], []]);
  });

  test('S-089 a key that comes under the scheme DPoP', async () => {
    const { verifier, issuer } = setUp();
    const dpop = { proof: createProof(signingKey, KEY), method: 'GET', url: 'https://api.example/things' };
    await expect(verifier.verify(KEY, { dpop })).rejects.toMatchObject({ code: 'ERR_DPOP', error: 'invalid_token' });
    expect(issuer.asked).toEqual([]);
  });
});

describe('refused is', () => {
  test('S-065 a key that is not active, whatever the reason', async () => {
    const { verifier } = setUp();
    await expect(verifier.verify(keyOf('two'))).rejects.toMatchObject({ code: 'ERR_ACCESS_TOKEN', cause: 'inactive' });
  });

  test.each([
    ['S-072 another audience', { aud: 'https://other.example' }],
    [
      'S-073 an audience beside ours, whose scopes would be mixed with ours',
      { aud: [AUDIENCE, 'https://other.example'] },
    ],
  ])('%s', async (_, change) => {
    const { verifier, issuer } = setUp();
    issuer.answers[KEY] = { ...ANSWER, ...change };
    await expect(verifier.verify(KEY)).rejects.toMatchObject({ cause: 'audience' });
  });

  test('S-053 too little scope', async () => {
    const { verifier } = setUp({ requiredScopes: ['read'] });
    const refused = { cause: 'scope', requiredScopes: ['read', 'admin'] };
    await expect(verifier.verify(KEY, { scopes: ['admin'] })).rejects.toMatchObject(refused);
  });
});

describe('S-177 not judged at all, and no fault of the caller, is a key while the provider', () => {
  test.each<[string, (issuer: IntrospectingIssuer) => void]>([
    ['is down', (issuer) => Object.assign(issuer, { down: true })],
    ['refuses our client', (issuer) => Object.assign(issuer, { status: 401 })],
    ['fails', (issuer) => Object.assign(issuer, { status: 500 })],
    ['has no introspection', (issuer) => Object.assign(issuer.metadata, { introspection_endpoint: undefined })],
    [
      'would have our secret sent in clear',
      (issuer) => Object.assign(issuer.metadata, { introspection_endpoint: 'http://id.example/introspect' }),
    ],
    ['answers nonsense', (issuer) => Object.assign(issuer.answers, { [KEY]: 'yes' })],
    ['says "active" in words', (issuer) => Object.assign(issuer.answers, { [KEY]: { ...ANSWER, active: 'true' } })],
    ['does not say whose it is', (issuer) => Object.assign(issuer.answers, { [KEY]: { ...ANSWER, sub: undefined } })],
    ['does not say where it works', (issuer) => Object.assign(issuer.answers, { [KEY]: { ...ANSWER, aud: [] } })],
    [
      'speaks for another',
      (issuer) => Object.assign(issuer.answers, { [KEY]: { ...ANSWER, iss: 'https://e.example' } }),
    ],
  ])('%s', async (_, spoil) => {
    const { verifier, issuer, clock } = setUp();
    const before = structuredClone({ metadata: issuer.metadata, answers: issuer.answers });
    spoil(issuer);
    const unavailable = { code: 'ERR_INTROSPECTION_UNAVAILABLE', retryAfter: 1 };
    await expect(verifier.verify(KEY)).rejects.toMatchObject(unavailable);
    // and afterwards it is judged again
    Object.assign(issuer, { down: false, status: 200, ...before });
    clock.advance(1);
    expect((await verifier.verify(KEY)).subject).toBe('user-1');
  });

  test('has so many questions open that strangers must be making them up', async () => {
    const { verifier, issuer } = setUp();
    await verifier.warmUp();
    let open = () => {};
    issuer.gate = new Promise((resolve) => {
      open = resolve;
    });
    const others = Promise.allSettled(Array.from({ length: 256 }, (_, n) => verifier.verify(keyOf(`k${n}`))));
    await expect(verifier.verify(KEY)).rejects.toMatchObject({ code: 'ERR_INTROSPECTION_UNAVAILABLE' });
    open();
    await others;
    expect((await verifier.verify(KEY)).subject).toBe('user-1');
  });

  test('warming up finds the endpoint, or says that it cannot', async () => {
    const { verifier, issuer } = setUp();
    await verifier.warmUp();
    await verifier.verify(KEY);
    expect(issuer.requests.filter((path) => path.includes('configuration'))).toHaveLength(2);
    const other = setUp();
    other.issuer.metadata.introspection_endpoint = undefined;
    await expect(other.verifier.warmUp()).rejects.toMatchObject({ code: 'ERR_INTROSPECTION_UNAVAILABLE' });
  });
});

describe('answers are kept for a moment', () => {
  test('questions about the same key at the same moment are one', async () => {
    const { verifier, issuer } = setUp();
    await Promise.all(Array.from({ length: 50 }, () => verifier.verify(KEY)));
    await verifier.verify(KEY);
    expect(issuer.asked).toHaveLength(1);
  });

  test('S-064 a revoked key is refused, and a new one taken, after half a second', async () => {
    const { verifier, issuer, clock } = setUp();
    const fresh = keyOf('fresh');
    expect((await verifier.verify(KEY)).subject).toBe('user-1');
    await expect(verifier.verify(fresh)).rejects.toMatchObject({ cause: 'inactive' });
    issuer.answers = { [fresh]: ANSWER };
    clock.advance(0.49);
    await verifier.verify(KEY);
    await expect(verifier.verify(fresh)).rejects.toMatchObject({ cause: 'inactive' });
    clock.advance(0.01);
    await expect(verifier.verify(KEY)).rejects.toMatchObject({ cause: 'inactive' });
    expect((await verifier.verify(fresh)).subject).toBe('user-1');
  });

  test('S-064 a question that was asked long ago, and is not answered, is asked anew', async () => {
    const { verifier, issuer, clock } = setUp();
    await verifier.warmUp();
    let open = () => {};
    issuer.gate = new Promise((resolve) => {
      open = resolve;
    });
    const first = verifier.verify(KEY);
    clock.advance(1);
    const second = verifier.verify(KEY);
    open();
    await Promise.all([first, second]);
    expect(issuer.asked).toHaveLength(2);
  });

  test('a clock that is set back keeps nothing', async () => {
    const { verifier, issuer, clock } = setUp();
    await verifier.verify(KEY);
    clock.advance(-3600);
    await verifier.verify(KEY);
    expect(issuer.asked).toHaveLength(2);
  });

  test('what is allowed from one address is not thereby allowed from another', async () => {
    const { introspect } = new IntrospectingIssuer();
    const { verifier } = setUp({
      fetch: async (url, init) => {
        const address = new URLSearchParams((init?.body as string) ?? '').get('address');
        const isElsewhere = init?.method === 'POST' && address !== '192.0.2.7';
        return isElsewhere ? Response.json({ active: false }) : introspect(url, init);
      },
    });
    await verifier.verify(KEY, { address: '192.0.2.7' });
    await expect(verifier.verify(KEY, { address: '192.0.2.8' })).rejects.toMatchObject({ cause: 'inactive' });
    await expect(verifier.verify(KEY)).rejects.toMatchObject({ cause: 'inactive' });
  });

  test('memory has an end, and goes on working there', async () => {
    const { verifier, issuer } = setUp();
    for (let n = 0; n < 10_050; n++) await verifier.verify(keyOf(`k${n}`)).catch(() => {});
    await verifier.verify(keyOf('k10049')).catch(() => {});
    expect(issuer.asked).toHaveLength(10_050);
    await verifier.verify(keyOf('k0')).catch(() => {});
    expect(issuer.asked).toHaveLength(10_051);
  });
});

test.each([
  ['no prefix', { clientId: 'api', clientSecret: 's', prefix: '' }],
  ['a prefix without an end', { clientId: 'api', clientSecret: 's', prefix: 'sk' }],
  ['a prefix that is a pattern', { clientId: 'api', clientSecret: 's', prefix: '.*-' }],
  ['no client', { clientId: '', clientSecret: 's' }],
  ['no secret', { clientId: 'api', clientSecret: '' }],
  ['an endpoint in clear', { clientId: 'api', clientSecret: 's', introspectionEndpoint: 'http://id.example/' }],
])('a verifier is not made with %s', (_, apiKeys) => {
  expect(() => createVerifier({ issuer: ISSUER, audience: AUDIENCE, apiKeys })).toThrow(TypeError);
});

describe('a token that was got for a key', () => {
  test('says who acts, and for which key', async () => {
    const { verifier } = setUp();
    const caller = await verifier.verify(
      accessToken(signingKey, { act: { sub: 'gateway' }, daemun_api_key: '0190a1b2-key' }),
    );
    expect(caller).toMatchObject({
      subject: 'user-1',
      clientId: 'web-app',
      actor: { subject: 'gateway' },
      keyId: '0190a1b2-key',
    });
  });

  test.each([['gateway'], [{}], [{ sub: 7 }], [null], [[]]])('is malformed when it says so by %j', async (act) => {
    const { verifier } = setUp();
    await expect(verifier.verify(accessToken(signingKey, { act }))).rejects.toMatchObject({ cause: 'malformed' });
  });
});

describe.each(frameworks)('%s', (_, createListener) => {
  const bearer = (value: string): [string, string][] => [['Authorization', `Bearer ${value}`]];

  test('takes a key as Bearer, and says where it came from', async () => {
    const { verifier, issuer } = setUp();
    const answer = await send(await createListener(verifier), '/things', bearer(KEY));
    expect([answer.status, answer.body]).toEqual([200, '{"subject":"user-1"}']);
    expect(issuer.asked[0]?.form.get('address')).toMatch(/^(::ffff:)?127\.0\.0\.1$/);
  });

  test('answers 401, 403 and 503 as for a token', async () => {
    const { verifier, issuer, clock } = setUp();
    const failures: unknown[] = [];
    const listener = await createListener(verifier, { onUnavailable: ({ cause }) => failures.push(cause) });
    const unknown = await send(listener, '/things', bearer(keyOf('two')));
    expect([unknown.status, unknown.headers['www-authenticate']?.[0]]).toEqual([
      401,
      expect.stringMatching(/^Bearer error="invalid_token", error_description="The API key is not active."/),
    ]);
    const narrow = await send(listener, '/admin', bearer(KEY));
    expect([narrow.status, narrow.headers['www-authenticate']?.[0]]).toEqual([
      403,
      expect.stringContaining('error="insufficient_scope"'),
    ]);
    issuer.status = 401;
    clock.advance(1);
    const unavailable = await send(listener, '/things', bearer(KEY));
    expect([unavailable.status, unavailable.headers['retry-after']]).toEqual([503, ['1']]);
    expect(failures).toEqual([expect.objectContaining({ message: `${ISSUER}/introspect answered 401` })]);
  });
});
