import { createVerifier, type VerifierOptions } from '@daemun/verify';
import { describe, expect, test } from '@jest/globals';
import {
  AUDIENCE,
  accessToken,
  claimsOf,
  createKey,
  FakeClock,
  FakeIssuer,
  headerOf,
  ISSUER,
  signJwt,
} from './support/issuer.ts';

const DISCOVERY = '/.well-known/openid-configuration';
const longLived = { exp: 4_000_000_000 };

function setUp(options: Partial<VerifierOptions> = {}) {
  const key = createKey('ES256', 'k1');
  const issuer = new FakeIssuer(key);
  const clock = new FakeClock();
  const verifier = createVerifier({
    issuer: ISSUER,
    audience: AUDIENCE,
    fetch: issuer.fetch,
    now: clock.now,
    ...options,
  });
  return { key, issuer, clock, verifier, token: accessToken(key, longLived) };
}

/** Lets what runs in the background come to its end. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe('keys in memory', () => {
  test('are fetched once: a warm verifier makes no request', async () => {
    const { issuer, verifier, key } = setUp();
    await verifier.warmUp();
    expect(issuer.requests).toEqual([DISCOVERY, '/jwks']);
    for (let n = 0; n < 50; n++) await verifier.verify(accessToken(key));
    expect(issuer.requests).toHaveLength(2);
  });

  test('are fetched once by any number of first tokens', async () => {
    const { issuer, verifier, token } = setUp();
    await Promise.all(Array.from({ length: 50 }, () => verifier.verify(token)));
    expect(issuer.requests).toEqual([DISCOVERY, '/jwks']);
  });

  test('come from jwksUri without discovery', async () => {
    const { issuer, verifier, token } = setUp({ jwksUri: `${ISSUER}/elsewhere` });
    await verifier.verify(token);
    expect(issuer.requests).toEqual(['/elsewhere']);
  });

  test('are refreshed in the background when they have grown old', async () => {
    const { issuer, verifier, token, clock } = setUp();
    issuer.cacheControl = 'public, max-age=120';
    await verifier.verify(token);
    clock.advance(119);
    await verifier.verify(token);
    expect(issuer.requests).toHaveLength(2);

    clock.advance(2);
    let release = () => {};
    issuer.gate = new Promise((resolve) => {
      release = resolve;
    });
    await verifier.verify(token); // answered although the fetch still hangs
    expect(issuer.requests).toEqual([DISCOVERY, '/jwks', '/jwks']);
    release();
    await settle();
    await verifier.verify(token);
    expect(issuer.requests).toHaveLength(3);
  });

  test('withdrawn during an idle night are not trusted in the morning', async () => {
    const { issuer, verifier, token, clock } = setUp();
    await verifier.verify(token);
    issuer.keys = [createKey('ES256', 'k2')];
    clock.advance(8 * 3600);
    await expect(verifier.verify(token)).rejects.toMatchObject({ cause: 'signature' });
  });
});

describe('rotation', () => {
  test('a new kid is picked up by one fetch, the old one stays as long as it is published', async () => {
    const { issuer, verifier, token, clock } = setUp();
    await verifier.verify(token);
    const next = createKey('ES256', 'k2');
    issuer.keys.push(next);
    clock.advance(31);
    await Promise.all(Array.from({ length: 20 }, () => verifier.verify(accessToken(next, longLived))));
    await verifier.verify(token);
    expect(issuer.requests).toEqual([DISCOVERY, '/jwks', '/jwks']);
  });

  test('S-076 unknown kids cause one fetch per cool-down, however many arrive', async () => {
    const { issuer, verifier, token, key, clock } = setUp();
    await verifier.verify(token);
    const forge = (n: number) =>
      verifier.verify(signJwt(key, { ...headerOf(key), kid: `forged-${n}` }, claimsOf(longLived)));
    for (let second = 0; second < 90; second++) {
      clock.advance(1);
      const judged = await Promise.allSettled(Array.from({ length: 10 }, (_, n) => forge(second * 10 + n)));
      expect(judged.every((result) => result.status === 'rejected')).toBe(true);
    }
    expect(issuer.requests).toHaveLength(2 + 3);
  });

  test('S-075 a known kid under another algorithm causes none', async () => {
    const { issuer, verifier, key, clock } = setUp();
    await verifier.warmUp();
    clock.advance(60);
    const token = signJwt(key, { ...headerOf(key), alg: 'RS256' }, claimsOf(longLived));
    await expect(verifier.verify(token)).rejects.toMatchObject({ cause: 'signature' });
    expect(issuer.requests).toHaveLength(2);
  });

  test('tokens of another issuer cause none, not even the first', async () => {
    const { issuer, verifier, key } = setUp();
    await expect(verifier.verify(accessToken(key, { iss: 'https://evil.example' }))).rejects.toMatchObject({
      cause: 'issuer',
    });
    expect(issuer.requests).toEqual([]);
  });
});

describe('while the provider is down', () => {
  test('old keys stay good, and it is asked again only once per cool-down', async () => {
    const { issuer, verifier, token, clock } = setUp();
    await verifier.verify(token);
    issuer.down = true;
    clock.advance(3600);
    for (let second = 0; second < 60; second++) {
      clock.advance(1);
      await verifier.verify(token);
      await settle();
    }
    expect(issuer.requests.length).toBeLessThanOrEqual(2 + 3);
  });

  test('old keys end with jwksMaxStale', async () => {
    const { issuer, verifier, token, clock } = setUp({ jwksMaxStale: 600 });
    await verifier.verify(token);
    issuer.down = true;
    clock.advance(300 + 599);
    await verifier.verify(token);
    clock.advance(31);
    await expect(verifier.verify(token)).rejects.toMatchObject({ code: 'ERR_KEYS_UNAVAILABLE' });
  });

  test('a cold verifier says so, keeps quiet between attempts, and recovers', async () => {
    const { issuer, verifier, token, clock } = setUp();
    issuer.down = true;
    await expect(verifier.warmUp()).rejects.toMatchObject({ code: 'ERR_KEYS_UNAVAILABLE', retryAfter: 1 });
    await expect(verifier.verify(token)).rejects.toMatchObject({ code: 'ERR_KEYS_UNAVAILABLE' });
    expect(issuer.requests).toHaveLength(1);
    for (const pause of [1, 2, 4, 8, 16, 30, 30]) {
      clock.advance(pause);
      await expect(verifier.verify(token)).rejects.toMatchObject({ code: 'ERR_KEYS_UNAVAILABLE' });
    }
    expect(issuer.requests).toHaveLength(8);
    issuer.down = false;
    clock.advance(30);
    await expect(verifier.verify(token)).resolves.toMatchObject({ subject: 'user-1' });
  });

  test('the keys may move house: their address is looked up anew', async () => {
    const { issuer, verifier, token, clock } = setUp();
    await verifier.verify(token);
    issuer.down = true;
    clock.advance(301);
    await verifier.verify(token);
    await settle();
    issuer.down = false;
    issuer.metadata = { issuer: ISSUER, jwks_uri: `${ISSUER}/moved` };
    clock.advance(31);
    await verifier.verify(token);
    await settle();
    expect(issuer.requests.slice(-2)).toEqual([DISCOVERY, '/moved']);
  });
});

describe('a provider that answers wrongly has no keys', () => {
  const unusable = createKey('RS256', 'k1', 1024);
  test.each<[string, (issuer: FakeIssuer) => void]>([
    [
      'metadata of another issuer',
      (issuer) => {
        issuer.metadata = { ...issuer.metadata, issuer: 'https://evil.example' };
      },
    ],
    [
      'metadata without jwks_uri',
      (issuer) => {
        issuer.metadata = { issuer: ISSUER };
      },
    ],
    [
      'jwks_uri over plain http',
      (issuer) => {
        issuer.metadata = { issuer: ISSUER, jwks_uri: 'http://id.example/jwks' };
      },
    ],
    [
      'metadata that is null',
      (issuer) => {
        issuer.metadata = null as never;
      },
    ],
    [
      'no keys',
      (issuer) => {
        issuer.keys = [];
      },
    ],
    [
      'S-082 only an RSA key of 1024 bits',
      (issuer) => {
        issuer.keys = [unusable];
      },
    ],
    [
      'S-075 only a symmetric key',
      (issuer) => {
        issuer.keys = [{ ...unusable, jwk: { kty: 'oct', kid: 'k1', k: 'c2VjcmV0', alg: 'HS256' } }];
      },
    ],
    [
      'only a key for encryption',
      (issuer) => {
        issuer.keys = issuer.keys.map((key) => ({ ...key, jwk: { ...key.jwk, use: 'enc' } }));
      },
    ],
    [
      'only a key without kid',
      (issuer) => {
        issuer.keys = issuer.keys.map((key) => ({ ...key, jwk: { ...key.jwk, kid: undefined } }));
      },
    ],
    [
      'a broken key',
      (issuer) => {
        issuer.keys = issuer.keys.map((key) => ({ ...key, jwk: { ...key.jwk, x: 'AA' } }));
      },
    ],
  ])('%s', async (_, spoil) => {
    const { issuer, verifier, token } = setUp();
    spoil(issuer);
    await expect(verifier.verify(token)).rejects.toMatchObject({ code: 'ERR_KEYS_UNAVAILABLE' });
  });

  test('broken entries beside good ones are passed over, and of two with one kid the first counts', async () => {
    const { issuer, verifier, token, key } = setUp();
    const impostor = createKey('ES256', 'k1');
    issuer.keys = [{ ...key, jwk: 7 as never }, { ...key, jwk: { kty: 'EC', kid: 'k1' } }, unusable, key, impostor];
    await expect(verifier.verify(token)).resolves.toMatchObject({ subject: 'user-1' });
    await expect(verifier.verify(accessToken(impostor))).rejects.toMatchObject({ cause: 'signature' });
  });
});
