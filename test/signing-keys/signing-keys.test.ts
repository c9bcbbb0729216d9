import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { CompactSign, calculateJwkThumbprint, compactVerify } from 'jose';
import { Provider } from '../../src/provider/engine.ts';
import { createKeyEncryption } from '../../src/signing-keys/envelope.ts';
import { openSecrets } from '../../src/signing-keys/server-secrets.ts';
import { openSigningKeys, type SigningKeySet } from '../../src/signing-keys/signing-keys.ts';
import { createMemoryStore } from '../contracts/memory-adapter.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { anotherNode } from './another-node.ts';

const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'];
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'];

let database: TestDatabase;
let keys: SigningKeySet;
const keyEncryption = createKeyEncryption(randomBytes(32));
beforeAll(async () => {
  database = await openTestDatabase();
  keys = await openSigningKeys({ database, keyEncryption });
}, 120_000);
afterAll(() => database.close());

test('S-082 the first start makes one key for each algorithm: RSA of 3072 bits, P-256, Ed25519', () => {
  expect(keys.jwks.map(({ alg }) => alg)).toEqual(ALGORITHMS);
  expect(keys.jwks.map(({ kty, crv }) => crv ?? kty)).toEqual(['RSA', 'RSA', 'P-256', 'Ed25519']);
  for (const { n } of keys.jwks) if (n) expect(Buffer.from(n, 'base64url')).toHaveLength(3072 / 8);
});

test('S-092 every published key has a kid of its own, a use and an algorithm, and no private member', async () => {
  expect(new Set(keys.publicJwks.keys.map(({ kid }) => kid)).size).toBe(ALGORITHMS.length);
  for (const jwk of keys.publicJwks.keys) {
    expect(jwk).toMatchObject({ use: 'sig', alg: expect.any(String), kid: await calculateJwkThumbprint(jwk) });
    expect(Object.keys(jwk).filter((member) => PRIVATE.includes(member))).toEqual([]);
  }
});

test('what each private key signs, the published key of the same kid verifies', async () => {
  for (const [i, jwk] of keys.jwks.entries()) {
    const signed = await new CompactSign(Buffer.from('text')).setProtectedHeader({ alg: jwk.alg! }).sign(jwk);
    const published = keys.publicJwks.keys[i]!;
    expect(published.kid).toBe(jwk.kid);
    expect((await compactVerify(signed, published)).protectedHeader.alg).toBe(jwk.alg);
  }
});

test('S-092 the engine takes the set and publishes exactly the public halves', async () => {
  const provider = new Provider('http://localhost', {
    adapter: createMemoryStore().adapterFor,
    jwks: { keys: keys.jwks as never },
    cookies: { keys: ['any'] },
    enabledJWA: { idTokenSigningAlgValues: ALGORITHMS as never },
    features: { devInteractions: { enabled: false } },
  });
  const server = createServer(provider.callback()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`);
  expect(await answer.json()).toEqual(keys.publicJwks);
  server.closeAllConnections();
  server.close();
});

test('later starts find the same keys', async () => {
  expect(await openSigningKeys({ database, keyEncryption })).toEqual(keys);
});

test('S-082 the private halves are not in the database', async () => {
  const { rows } = await database.pool.query('SELECT signing_keys::text AS row FROM signing_keys');
  const dump = rows.map(({ row }) => row).join('\n');
  for (const jwk of keys.jwks) {
    expect(dump).toContain(jwk.kid);
    expect(dump).not.toContain(jwk.d);
    expect(dump).not.toContain(Buffer.from(jwk.d!, 'base64url').toString('hex'));
  }
});

describe('a start is refused and changes nothing', () => {
  afterEach(async () => {
    await database.pool.query('TRUNCATE signing_keys');
    await database.pool.query('INSERT INTO signing_keys SELECT * FROM saved_keys');
    await database.pool.query('DROP TABLE saved_keys');
  });
  const saved = () => database.pool.query('CREATE TABLE saved_keys AS SELECT * FROM signing_keys');

  test('with another key-encryption key, named in the message', async () => {
    await saved();
    const stranger = createKeyEncryption(randomBytes(32));
    await expect(openSigningKeys({ database, keyEncryption: stranger })).rejects.toThrow(
      new RegExp(`${stranger.kekId}.*${keyEncryption.kekId}`),
    );
    // Even where that node would have something to make.
    await expect(openSecrets({ database, keyEncryption: stranger })).rejects.toThrow(/wrong key-encryption key/);
    expect((await database.pool.query('SELECT 1 FROM server_secrets')).rows).toEqual([]);
  });

  test('when the private halves of two keys were exchanged', async () => {
    await saved();
    await database.pool.query(
      `UPDATE signing_keys c SET private_key = o.private_key, wrapped_data_key = o.wrapped_data_key
       FROM signing_keys o WHERE c.algorithm = 'RS256' AND o.algorithm = 'PS256'`,
    );
    await expect(openSigningKeys({ database, keyEncryption })).rejects.toThrow(/cannot be opened/);
  });

  test('when a public half was replaced', async () => {
    await saved();
    await database.pool.query(
      `UPDATE signing_keys c SET public_jwk = o.public_jwk FROM signing_keys o WHERE c.algorithm = 'RS256' AND o.algorithm = 'PS256'`,
    );
    await expect(openSigningKeys({ database, keyEncryption })).rejects.toThrow(
      /does not sign what its public half verifies/,
    );
  });
});

test('S-126 nodes that start at once on an empty database end up with one and the same set', async () => {
  const fresh = await openTestDatabase();
  const second = await anotherNode(fresh);
  const [first, other] = await Promise.all([
    openSigningKeys({ database: fresh, keyEncryption }),
    openSigningKeys({ database: second, keyEncryption }),
  ]);
  expect(other).toEqual(first);
  expect((await fresh.pool.query('SELECT 1 FROM signing_keys')).rows).toHaveLength(ALGORITHMS.length);
  await fresh.close();
}, 120_000);
