import { createVerifier, type VerifierOptions, type VerifyCause } from '@daemun/verify';
import { describe, expect, test } from '@jest/globals';
import {
  AUDIENCE,
  accessToken,
  claimsOf,
  createKey,
  encode,
  FakeIssuer,
  headerOf,
  ISSUER,
  NOW,
  signatureOf,
  signJwt,
} from './support/issuer.ts';

const key = createKey('ES256');
const rsa = createKey('RS256');
const issuer = new FakeIssuer(key, rsa);

function verifier(options: Partial<VerifierOptions> = {}) {
  return createVerifier({ issuer: ISSUER, audience: AUDIENCE, fetch: issuer.fetch, now: () => NOW * 1000, ...options });
}

function without(claim: string): string {
  const { [claim]: _, ...claims } = claimsOf();
  return signJwt(key, headerOf(key), claims);
}

/** A payload as text, for what JSON.stringify would never write. */
function withText(edit: (text: string) => string): string {
  return signJwt(key, headerOf(key), edit(JSON.stringify(claimsOf())));
}

describe('a good access token', () => {
  test('becomes a Caller', async () => {
    const claims = claimsOf({ aud: [AUDIENCE, 'https://other.example'], jti: 'token-1', plan: 'free' });
    const caller = await verifier().verify(signJwt(key, headerOf(key), claims), { scopes: ['read'] });
    expect(caller).toEqual({
      subject: 'user-1',
      clientId: 'web-app',
      scopes: ['read', 'write'],
      audience: [AUDIENCE, 'https://other.example'],
      issuedAt: new Date(NOW * 1000),
      expiresAt: new Date((NOW + 900) * 1000),
      tokenId: 'token-1',
      claims,
    });
  });

  test('may come without scopes, with the long spelling of its type, and for one of several audiences of ours', async () => {
    const token = signJwt(key, { ...headerOf(key), typ: 'application/AT+JWT' }, claimsOf({ scope: undefined }));
    const caller = await verifier({ audience: ['urn:api', AUDIENCE] }).verify(token);
    expect(caller.scopes).toEqual([]);
  });

  test.each(['ES256', 'RS256', 'PS256', 'EdDSA', 'Ed25519'])('may be signed with %s', async (alg) => {
    const signer = createKey(alg);
    const { subject } = await verifier({ fetch: new FakeIssuer(signer).fetch }).verify(accessToken(signer));
    expect(subject).toBe('user-1');
  });

  test('may be spelled unlike JSON.stringify would, as other languages do', async () => {
    const claims = claimsOf({ sub: 'José "J" \\ 김', nested: { list: [1, { a: 'x:y', b: null }], empty: {} } });
    const token = signJwt(key, headerOf(key), JSON.stringify(claims, null, 2).replace('José', 'Jos\\u00e9'));
    expect((await verifier().verify(token)).claims).toEqual(claims);
  });
});

const refused: [string, VerifyCause, () => unknown][] = [
  // S-071, S-072: RFC 9068 and nothing else
  ['S-072 an ID token: typ is JWT', 'malformed', () => signJwt(key, { ...headerOf(key), typ: 'JWT' }, claimsOf())],
  ['S-072 a logout token', 'malformed', () => signJwt(key, { ...headerOf(key), typ: 'logout+jwt' }, claimsOf())],
  ['S-072 a token without typ', 'malformed', () => signJwt(key, { alg: 'ES256', kid: key.kid }, claimsOf())],
  ['S-072 a typ that is not text', 'malformed', () => signJwt(key, { ...headerOf(key), typ: ['at+jwt'] }, claimsOf())],
  ...['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'].map((claim): [string, VerifyCause, () => string] => [
    `S-071 no ${claim}`,
    'malformed',
    () => without(claim),
  ]),
  ['S-071 an empty sub', 'malformed', () => accessToken(key, { sub: '' })],
  ['S-071 a numeric client_id', 'malformed', () => accessToken(key, { client_id: 7 })],
  ['S-071 scope as a list', 'malformed', () => accessToken(key, { scope: ['read'] })],
  // whose it is
  ['S-072 another issuer', 'issuer', () => accessToken(key, { iss: 'https://evil.example' })],
  ['S-072 the issuer with a slash more', 'issuer', () => accessToken(key, { iss: `${ISSUER}/` })],
  ['S-072 another audience', 'audience', () => accessToken(key, { aud: 'https://other.example' })],
  [
    'S-072 an audience that only starts like ours',
    'audience',
    () => accessToken(key, { aud: `${AUDIENCE}.evil.example` }),
  ],
  ['S-072 an audience with a number in it', 'malformed', () => accessToken(key, { aud: [AUDIENCE, 1] })],
  ['S-072 no audience in the list', 'malformed', () => accessToken(key, { aud: [] })],
  // S-075: algorithms
  ['S-075 alg none', 'signature', () => `${encode({ ...headerOf(key), alg: 'none' })}.${encode(claimsOf())}.AA`],
  ['S-075 alg None', 'signature', () => `${encode({ ...headerOf(key), alg: 'None' })}.${encode(claimsOf())}.AA`],
  [
    'S-075 alg none with nothing for a signature',
    'malformed',
    () => `${encode({ ...headerOf(key), alg: 'none' })}.${encode(claimsOf())}.`,
  ],
  [
    'S-075 HS256 with the public key as secret',
    'signature',
    () => signJwt(key, { ...headerOf(key), alg: 'HS256' }, claimsOf()),
  ],
  ['S-075 no alg', 'signature', () => signJwt(key, { ...headerOf(key), alg: undefined }, claimsOf())],
  ['S-075 alg is a list', 'signature', () => signJwt(key, { ...headerOf(key), alg: ['ES256'] }, claimsOf())],
  ['S-075 alg of another key type', 'signature', () => signJwt(key, { ...headerOf(key), alg: 'RS256' }, claimsOf())],
  [
    'S-075 PS256 by a key published for RS256',
    'signature',
    () => signJwt({ ...rsa, alg: 'PS256' }, { ...headerOf(rsa), alg: 'PS256' }, claimsOf()),
  ],
  // S-076: kid
  ['S-076 no kid', 'signature', () => signJwt(key, { ...headerOf(key), kid: undefined }, claimsOf())],
  ['S-076 an empty kid', 'signature', () => signJwt(key, { ...headerOf(key), kid: '' }, claimsOf())],
  ['S-076 kid is an object', 'signature', () => signJwt(key, { ...headerOf(key), kid: {} }, claimsOf())],
  ['S-076 a path as kid', 'signature', () => signJwt(key, { ...headerOf(key), kid: '../../dev/null' }, claimsOf())],
  [
    'S-076 a URL as kid',
    'signature',
    () => signJwt(key, { ...headerOf(key), kid: 'https://evil.example/key' }, claimsOf()),
  ],
  ['S-076 SQL as kid', 'signature', () => signJwt(key, { ...headerOf(key), kid: "' OR 1=1 --" }, claimsOf())],
  ['S-076 __proto__ as kid', 'signature', () => signJwt(key, { ...headerOf(key), kid: '__proto__' }, claimsOf())],
  [
    'S-076 a kid of a megabyte',
    'malformed',
    () => signJwt(key, { ...headerOf(key), kid: 'k'.repeat(1 << 20) }, claimsOf()),
  ],
  ['S-076 the kid of another key', 'signature', () => signJwt(key, { ...headerOf(key), kid: rsa.kid }, claimsOf())],
  // S-077, S-078: headers
  ['S-077 a key of its own in jwk', 'signature', () => withOwnKey('jwk')],
  ['S-077 a key of its own in jku', 'signature', () => withOwnKey('jku')],
  ['S-077 a key of its own in x5u', 'signature', () => withOwnKey('x5u')],
  [
    'S-078 an unknown critical extension',
    'malformed',
    () => signJwt(key, { ...headerOf(key), crit: ['exp'], exp: 1 }, claimsOf()),
  ],
  [
    'S-078 an unencoded payload',
    'malformed',
    () => signJwt(key, { ...headerOf(key), crit: ['b64'], b64: false }, claimsOf()),
  ],
  ['S-078 an empty crit', 'malformed', () => signJwt(key, { ...headerOf(key), crit: [] }, claimsOf())],
  // S-080: one reading only
  ['S-080 nothing', 'malformed', () => ''],
  ['S-080 not a string', 'malformed', () => undefined],
  ['S-080 two parts', 'malformed', () => accessToken(key).split('.').slice(0, 2).join('.')],
  ['S-080 four parts', 'malformed', () => `${accessToken(key)}.AA`],
  ['S-080 five parts, an encrypted token', 'malformed', () => 'a.b.c.d.e'],
  ['S-080 only dots', 'malformed', () => '..'],
  ['S-080 padding', 'malformed', () => `${accessToken(key)}==`],
  ['S-080 a space', 'malformed', () => ` ${accessToken(key)}`],
  ['S-080 a line break inside', 'malformed', () => accessToken(key).replace('.', '.\n')],
  ['S-080 the other base64 alphabet', 'malformed', () => `${accessToken(key).split('.').slice(0, 2).join('.')}.++//`],
  ['S-080 stray bits at the end of the signature', 'malformed', () => withStrayBits(accessToken(key))],
  ['S-080 a header that is a list', 'malformed', () => signJwt(key, [], claimsOf())],
  ['S-080 a header that is not JSON', 'malformed', () => signJwt(key, 'alg=ES256', claimsOf())],
  ['S-080 a payload that is null', 'malformed', () => signJwt(key, headerOf(key), 'null')],
  ['S-080 a payload that is text', 'malformed', () => signJwt(key, headerOf(key), '"claims"')],
  ['S-080 sub twice', 'malformed', () => withText((text) => text.replace('{', '{"sub":"admin",'))],
  [
    'S-080 sub twice, one of them escaped',
    'malformed',
    () => withText((text) => text.replace('{', '{"s\\u0075b":"admin",')),
  ],
  [
    'S-080 a member twice in depth',
    'malformed',
    () => withText((text) => text.replace('{', '{"act":[{"sub":"a","sub":"b"}],')),
  ],
  [
    'S-080 alg twice in the header',
    'malformed',
    () => signJwt(key, JSON.stringify(headerOf(key)).replace('{', '{"alg":"none",'), claimsOf()),
  ],
  ['S-080 a byte order mark', 'malformed', () => withText((text) => `\ufeff${text}`)],
  ['S-080 bytes that are not UTF-8', 'malformed', () => withBytes(Buffer.from('{"sub":"\xff"}', 'latin1'))],
  [
    'S-080 brackets without end',
    'malformed',
    () => withText((text) => text.replace('{', `{ "a":${'['.repeat(5000)}${']'.repeat(5000)},`)),
  ],
  ['S-080 more than 16 KiB', 'malformed', () => accessToken(key, { note: 'x'.repeat(16_384) })],
  // S-081: times
  ['S-081 expired', 'expired', () => accessToken(key, { iat: NOW - 900, exp: NOW - 16 })],
  ['S-081 expired this very second behind the tolerance', 'expired', () => accessToken(key, { exp: NOW - 15 })],
  ['S-081 not yet valid', 'expired', () => accessToken(key, { nbf: NOW + 16 })],
  ['S-081 issued in the future', 'expired', () => accessToken(key, { iat: NOW + 16 })],
  ...['exp', 'iat', 'nbf'].flatMap((claim) =>
    (
      [
        ['text', '1900000000'],
        ['negative', -1],
        ['1e308', 1e308],
        ['null', null],
        ['a list', [NOW]],
      ] as const
    ).map(([name, value]): [string, VerifyCause, () => string] => [
      `S-081 ${claim} is ${name}`,
      'malformed',
      () => accessToken(key, { [claim]: value }),
    ]),
  ),
  ['S-081 exp overflows to infinity', 'malformed', () => withText((text) => text.replace(/"exp":\d+/, '"exp":1e999'))],
  // signatures
  ['S-075 a changed payload', 'signature', () => withPayload(accessToken(key), claimsOf({ sub: 'admin' }))],
  ['S-075 a signature of zeros', 'signature', () => withSignature(Buffer.alloc(64))],
  ['S-075 a signature one byte short', 'signature', () => withSignature(Buffer.alloc(63, 1))],
  ['S-075 a signature in DER', 'signature', () => withSignature(Buffer.alloc(71, 0x30))],
  ['S-075 a signature of kilobytes', 'signature', () => withSignature(Buffer.alloc(4096, 1))],
  // S-089
  ['S-089 a bound token on its own', 'signature', () => accessToken(key, { cnf: { jkt: 'thumbprint' } })],
  ['S-089 a token bound to a certificate', 'signature', () => accessToken(key, { cnf: { 'x5t#S256': 'hash' } })],
  ['S-089 a binding that is no object', 'malformed', () => accessToken(key, { cnf: 'key' })],
  ['S-089 a binding to nothing', 'malformed', () => accessToken(key, { cnf: {} })],
];

function withOwnKey(parameter: string): string {
  const own = createKey('ES256');
  const value = parameter === 'jwk' ? own.jwk : 'https://evil.example/keys';
  return signJwt(own, { ...headerOf(key), [parameter]: value }, claimsOf());
}

function withStrayBits(token: string): string {
  const last = token.at(-1) as string;
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return token.slice(0, -1) + alphabet[alphabet.indexOf(last) + 1];
}

function withBytes(payload: Buffer): string {
  const input = `${encode(headerOf(key))}.${payload.toString('base64url')}`;
  return `${input}.${signatureOf(key, input).toString('base64url')}`;
}

function withPayload(token: string, claims: unknown): string {
  return token.split('.').with(1, encode(claims)).join('.');
}

function withSignature(signature: Buffer): string {
  return accessToken(key).split('.').with(2, signature.toString('base64url')).join('.');
}

test.each(refused)('refuses %s (%s)', async (_, cause, token) => {
  await expect(verifier().verify(token() as string)).rejects.toMatchObject({
    code: expect.stringMatching(/^ERR_(ACCESS_TOKEN|DPOP)$/),
    cause,
  });
});

test('S-077 asks nobody but the issuer, whatever the tokens said', () => {
  expect(new Set(issuer.requests)).toEqual(new Set(['/.well-known/openid-configuration', '/jwks']));
});

test('S-075 refuses an algorithm outside a narrower list', async () => {
  await expect(verifier({ algorithms: ['ES256'] }).verify(accessToken(rsa))).rejects.toMatchObject({
    cause: 'signature',
  });
});

test('refuses a token without a required scope, and says which ones are needed', async () => {
  const judge = verifier({ requiredScopes: ['read'] });
  await expect(judge.verify(accessToken(key), { scopes: ['admin'] })).rejects.toMatchObject({
    cause: 'scope',
    requiredScopes: ['read', 'admin'],
  });
  await expect(judge.verify(accessToken(key, { scope: 'readable' }))).rejects.toMatchObject({ cause: 'scope' });
});

test('S-081 forgives clocks that differ by up to the tolerance', async () => {
  const token = accessToken(key, { exp: NOW - 14, iat: NOW + 15, nbf: NOW + 15 });
  await expect(verifier().verify(token)).resolves.toMatchObject({ subject: 'user-1' });
  await expect(verifier({ clockTolerance: 0 }).verify(token)).rejects.toMatchObject({ cause: 'expired' });
});

test.each<[string, Partial<VerifierOptions>]>([
  ['S-081 a tolerance over 60 s', { clockTolerance: 61 }],
  ['S-081 a negative tolerance', { clockTolerance: -1 }],
  ['S-081 a tolerance that is no number', { clockTolerance: Number.NaN }],
  ['S-075 alg none on the list', { algorithms: ['none'] }],
  ['S-075 HS256 on the list', { algorithms: ['ES256', 'HS256'] }],
  ['S-075 an empty list of algorithms', { algorithms: [] }],
  ['an issuer that is no URL', { issuer: 'id.example' }],
  ['an issuer over plain http', { issuer: 'http://id.example' }],
  ['a key set over plain http', { jwksUri: 'http://id.example/jwks' }],
  ['no audience', { audience: '' }],
  ['an empty list of audiences', { audience: [] }],
  ['a cool-down of nothing', { jwksCooldown: 0 }],
])('refuses to be made with %s', (_, options) => {
  expect(() => verifier(options)).toThrow(TypeError);
});

test.each(['http://localhost:3000', 'http://127.0.0.1:3000', 'http://[::1]:3000'])('takes %s as an issuer', (url) => {
  expect(verifier({ issuer: url }).issuer).toBe(url);
});
