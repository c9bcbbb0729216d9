import { createDpopNonces, createMemoryReplayStore, createVerifier, type DpopOptions } from '@daemun/verify';
import { describe, expect, test } from '@jest/globals';
import { AUDIENCE, accessToken, createKey, encode, FakeClock, FakeIssuer, ISSUER, NOW } from './support/issuer.ts';
import { createProof, type ProofEdits, publicJwk, TARGET, thumbprint } from './support/proof.ts';

const issuerKey = createKey('ES256');
const issuer = new FakeIssuer(issuerKey);
const clientKey = createKey('ES256');
const boundToken = accessToken(issuerKey, { cnf: { jkt: thumbprint(clientKey) } });

function setUp(dpop: DpopOptions = {}) {
  const clock = new FakeClock();
  const verifier = createVerifier({ issuer: ISSUER, audience: AUDIENCE, fetch: issuer.fetch, now: clock.now, dpop });
  const verify = (proof: string | undefined, { token = boundToken, method = 'GET', url = TARGET } = {}) =>
    verifier.verify(token, { dpop: { proof, method, url } });
  return { clock, verifier, verify };
}

describe('S-089 a good proof', () => {
  test('lets the bound token pass, and the Caller names the key', async () => {
    const caller = await setUp().verify(createProof(clientKey, boundToken));
    expect(caller.confirmation).toEqual({ jkt: thumbprint(clientKey) });
  });

  test.each(['ES256', 'PS256', 'EdDSA', 'Ed25519'])('may be signed with %s', async (alg) => {
    const key = createKey(alg);
    const token = accessToken(issuerKey, { cnf: { jkt: thumbprint(key) } });
    await expect(setUp().verify(createProof(key, token), { token })).resolves.toMatchObject({ subject: 'user-1' });
  });

  test.each<[string, string, string]>([
    ['query and fragment', 'https://api.example/things?a=1', 'https://api.example/things#top'],
    ['the default port', 'https://api.example:443/things', TARGET],
    ['the case of scheme and host', 'HTTPS://API.Example/things', TARGET],
    ['the case of escapes', 'https://api.example/a%c3%a9', 'https://api.example/a%C3%A9'],
    ['escapes that were not needed', 'https://api.example/%7Euser', 'https://api.example/~user'],
    ['an empty path', 'https://api.example', 'https://api.example/'],
    ['dots', 'https://api.example/x/../things', TARGET],
  ])('may differ from the request in %s', async (_, htu, url) => {
    await expect(
      setUp().verify(createProof(clientKey, boundToken, { claims: { htu } }), { url }),
    ).resolves.toBeDefined();
  });

  test.each([-74, -10, 10, 15])('may be %i s off', async (offset) => {
    await expect(
      setUp().verify(createProof(clientKey, boundToken, { claims: { iat: NOW + offset } })),
    ).resolves.toBeDefined();
  });
});

const wrongProofs: [string, ProofEdits][] = [
  ['no typ', { header: { typ: undefined } }],
  ['the typ of an access token', { header: { typ: 'at+jwt' } }],
  ['no alg', { header: { alg: undefined } }],
  ['alg none', { header: { alg: 'none' } }],
  ['alg HS256', { header: { alg: 'HS256' } }],
  ['alg RS256', { header: { alg: 'RS256' } }],
  ['an alg that does not fit the key', { header: { alg: 'PS256' } }],
  ['a critical extension', { header: { crit: ['x'], x: 1 } }],
  ['no jwk', { header: { jwk: undefined } }],
  ['jwk as text', { header: { jwk: 'key' } }],
  ['jwk as a list', { header: { jwk: [publicJwk(clientKey)] } }],
  ['a private jwk', { header: { jwk: clientKey.privateKey.export({ format: 'jwk' }) } }],
  ['a symmetric jwk', { header: { jwk: { kty: 'oct', k: 'c2VjcmV0' } } }],
  ['no jti', { claims: { jti: undefined } }],
  ['an empty jti', { claims: { jti: '' } }],
  ['an endless jti', { claims: { jti: 'j'.repeat(300) } }],
  ['no htm', { claims: { htm: undefined } }],
  ['another htm', { claims: { htm: 'POST' } }],
  ['htm in lower case', { claims: { htm: 'get' } }],
  ['no htu', { claims: { htu: undefined } }],
  ['htu of another path', { claims: { htu: `${TARGET}/1` } }],
  ['htu of another host', { claims: { htu: 'https://evil.example/things' } }],
  ['htu of another scheme', { claims: { htu: 'http://api.example/things' } }],
  ['htu with credentials', { claims: { htu: 'https://user:secret@api.example/things' } }],
  ['htu that is only a path', { claims: { htu: '/things' } }],
  ['no iat', { claims: { iat: undefined } }],
  ['iat as text', { claims: { iat: String(NOW) } }],
  ['iat of 1e308', { claims: { iat: 1e308 } }],
  ['iat an hour ago', { claims: { iat: NOW - 3600 } }],
  ['iat in an hour', { claims: { iat: NOW + 3600 } }],
  ['no ath', { claims: { ath: undefined } }],
  ['ath of another token', { claims: { ath: 'x'.repeat(43) } }],
];

describe('S-089 refuses a proof with', () => {
  test.each(wrongProofs)('%s', async (_, edits) => {
    await expect(setUp().verify(createProof(clientKey, boundToken, edits))).rejects.toMatchObject({
      code: 'ERR_DPOP',
      error: 'invalid_dpop_proof',
    });
  });

  test.each<[string, (proof: string) => string]>([
    ['a wrong signature', (proof) => proof.split('.').with(2, Buffer.alloc(64, 1).toString('base64url')).join('.')],
    ['no signature', (proof) => `${proof.split('.').slice(0, 2).join('.')}.`],
    ['two of them joined', (proof) => `${proof}, ${proof}`],
    ['a member twice', (proof) => proof.split('.').with(1, encode('{"jti":"a","jti":"b"}')).join('.')],
    ['more than 8 KiB', (proof) => `${proof}${'A'.repeat(9000)}`],
    ['nothing in it', () => ''],
  ])('%s', async (_, spoil) => {
    await expect(setUp().verify(spoil(createProof(clientKey, boundToken)))).rejects.toMatchObject({
      error: 'invalid_dpop_proof',
    });
  });
});

describe('S-089 refuses a token', () => {
  test('bound to another key than the proof was made with', async () => {
    await expect(setUp().verify(createProof(createKey('ES256'), boundToken))).rejects.toMatchObject({
      error: 'invalid_token',
    });
  });

  test('without a proof, and as Bearer', async () => {
    const { verify, verifier } = setUp();
    await expect(verify(undefined)).rejects.toMatchObject({ error: 'invalid_token', cause: 'signature' });
    await expect(verifier.verify(boundToken)).rejects.toMatchObject({ error: 'invalid_token', cause: 'signature' });
  });

  test('that is not bound, under the scheme DPoP', async () => {
    const token = accessToken(issuerKey);
    await expect(setUp().verify(createProof(clientKey, token), { token })).rejects.toMatchObject({
      error: 'invalid_token',
    });
  });
});

describe('S-089 a proof works once', () => {
  test('even when it arrives many times at the same moment', async () => {
    const { verify } = setUp();
    const proof = createProof(clientKey, boundToken);
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => verify(proof)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  test('until it is too old anyway', async () => {
    const { verify, clock } = setUp();
    const proof = createProof(clientKey, boundToken, { claims: { iat: NOW + 15 } });
    await verify(proof);
    for (let second = 0; second < 120; second++) {
      clock.advance(1);
      await expect(verify(proof)).rejects.toMatchObject({ error: 'invalid_dpop_proof' });
    }
  });

  test('but its jti may be used by another key', async () => {
    const { verify } = setUp();
    const other = createKey('ES256');
    const token = accessToken(issuerKey, { cnf: { jkt: thumbprint(other) } });
    await verify(createProof(clientKey, boundToken, { claims: { jti: 'one' } }));
    await expect(verify(createProof(other, token, { claims: { jti: 'one' } }), { token })).resolves.toBeDefined();
  });

  test('a proof that is refused for another reason is not remembered', async () => {
    const claimed: string[] = [];
    const replayStore = { claimOnce: (key: string) => claimed.push(key) > 0 };
    const { verify } = setUp({ replayStore });
    for (const [, edits] of wrongProofs) await verify(createProof(clientKey, boundToken, edits)).catch(() => {});
    expect(claimed).toEqual([]);
    await verify(createProof(clientKey, boundToken, { claims: { jti: 'ж'.repeat(256) } }));
    expect(claimed).toEqual([expect.stringMatching(/^[\w-]{43}$/)]);
  });
});

describe('the replay store in memory', () => {
  test('forgets what has expired and refuses rather than forgets what has not', async () => {
    const clock = new FakeClock();
    const store = createMemoryReplayStore({ limit: 2, now: clock.now });
    const soon = clock.now() + 10_000;
    expect(store.claimOnce('a', soon)).toBe(true);
    expect(store.claimOnce('b', soon)).toBe(true);
    expect(store.claimOnce('a', soon)).toBe(false);
    expect(() => store.claimOnce('c', soon)).toThrow(expect.objectContaining({ code: 'ERR_REPLAY_STORE_FULL' }));
    clock.advance(11);
    expect(store.claimOnce('c', clock.now() + 10_000)).toBe(true);
    expect(store.claimOnce('a', clock.now() + 10_000)).toBe(true);
  });
});

describe('S-089 nonces, when asked for,', () => {
  test('must be in the proof and recent', async () => {
    const clock = new FakeClock();
    const nonces = createDpopNonces({ secret: 'shared by all processes', lifetime: 60, now: clock.now });
    const { verify, verifier } = setUp({ nonces });
    const nonce = verifier.dpopNonce();
    await verify(createProof(clientKey, boundToken, { claims: { nonce } }));
    for (const wrong of [undefined, '', 'x', 7, `${nonce}x`]) {
      const proof = createProof(clientKey, boundToken, { claims: { nonce: wrong } });
      await expect(verify(proof)).rejects.toMatchObject({ error: 'use_dpop_nonce' });
    }
    clock.advance(60);
    expect(verifier.dpopNonce()).not.toBe(nonce);
    expect(nonces.accepts(nonce as string)).toBe(true);
    clock.advance(60);
    expect(nonces.accepts(nonce as string)).toBe(false);
  });
});
