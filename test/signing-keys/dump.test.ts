import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { JWK } from 'jose';
import { type Audit, createAudit } from '../../src/audit/audit.ts';
import { createLogger, type Logger } from '../../src/platform/logger.ts';
import { createKeyEncryption, type KeyEncryption, type Sealed } from '../../src/signing-keys/envelope.ts';
import { ALGORITHMS, makeKeyPair } from '../../src/signing-keys/key-pair.ts';
import { createKeyStore } from '../../src/signing-keys/key-store.ts';
import { openKeyView } from '../../src/signing-keys/key-view.ts';
import { createRewrap } from '../../src/signing-keys/rewrap.ts';
import { serverSecretIdentity, signingKeyIdentity } from '../../src/signing-keys/sealed-table.ts';
import { openSecrets } from '../../src/signing-keys/server-secrets.ts';
import { DEFAULT_KEY_POLICY, warmUp } from '../../src/signing-keys/timing.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { belongsTo, findSecrets, readPrivateKeys, secretPartsOf } from './secret-search.ts';

const policy = DEFAULT_KEY_POLICY;
const by = { actor: 'test', address: '192.0.2.1' };

const [olderKey, newerKey] = [randomBytes(32), randomBytes(32)];
const before = createKeyEncryption(olderKey);
const after = createKeyEncryption([newerKey, olderKey]);

let database: TestDatabase;
let audit: Audit;
const log: string[] = [];
/** Every private key that there ever was, also those that were erased since and those that were made in vain. */
const keys = new Map<string, KeyObject>();
const serverSecrets = new Map<string, Buffer>();
let dump: Record<string, Record<string, unknown>[]>;

beforeAll(async () => {
  database = await openTestDatabase();
  const destination = new Writable({
    write(chunk, _encoding, done) {
      log.push(String(chunk));
      done();
    },
  });
  const logger = createLogger({ level: 'debug', production: true, destination });
  audit = createAudit({ database, logger });
  await live(logger);
  dump = await dumpAll();
}, 180_000);
afterAll(async () => {
  await audit.close();
  await database.close();
});

/** First start, rotations, an emergency, a revocation, a rewrap; and what is logged when somebody has the wrong key. */
async function live(logger: Logger): Promise<void> {
  const debug = (text: string, error?: unknown) => logger.debug({ err: error, outcome: error }, text);
  const makeKey: typeof makeKeyPair = async (algorithm) => {
    const pair = await makeKeyPair(algorithm);
    keys.set(pair.kid, pair.privateKey);
    return pair;
  };
  const storeWith = (keyEncryption: KeyEncryption) =>
    createKeyStore({ database, keyEncryption, audit, policy, tokenLifetime: 1, makeKey });
  const rotate = async (emergency: boolean) => {
    for (const algorithm of ALGORITHMS) {
      const [active] = (await store.list()).keys.filter((key) => key.algorithm === algorithm && key.state === 'active');
      debug('rotates', await store.rotate({ algorithm, expectedActive: active!.kid, emergency }, by));
      await collect(after);
    }
  };
  let store = storeWith(before);
  await openSecrets({ database, keyEncryption: before });
  while (await store.advance()) await collect(after);
  await age(warmUp(policy) + 1);
  await rotate(false);
  while (await store.advance()) await collect(after);

  await createRewrap({ database, keyEncryption: after, audit })(by);
  store = storeWith(after);
  await rotate(true);
  const { keys: listed } = await store.list();
  const kid = listed.find(({ state }) => state === 'active')!.kid;
  debug('revokes', await store.revoke({ kid, reason: 'it was seen elsewhere' }, by));
  const view = await openKeyView({ store, keyEncryption: after, policy, logger, database });
  for (const key of view.current().keys) await key.sign?.(Buffer.from('text'));
  debug('view', view.figures());
  await view.close();
  await collect(after);
  const stranger = createKeyEncryption(randomBytes(32));
  await openSecrets({ database, keyEncryption: stranger }).catch((error) => debug('wrong key', error));
  await storeWith(stranger)
    .rotate({ algorithm: 'ES256', expectedActive: kid, emergency: true }, by)
    .catch((error) => debug('wrong key', error));
}

/** As if so many seconds had passed. */
async function age(seconds: number): Promise<void> {
  const times = ['created', 'published', 'activated', 'retired'].map(
    (name) => `${name}_at = ${name}_at - make_interval(secs => ${seconds})`,
  );
  await database.pool.query(`UPDATE signing_keys SET ${times.join(', ')}`);
}

/** Opens what is sealed, before it is erased. */
async function collect(keyEncryption: KeyEncryption): Promise<void> {
  const { signing_keys, server_secrets } = await dumpAll();
  for (const row of signing_keys!) if (row.private_key) keys.set(String(row.kid), openKey(row, keyEncryption));
  for (const row of server_secrets!) {
    const identity = serverSecretIdentity(String(row.id), String(row.purpose));
    serverSecrets.set(String(row.id), keyEncryption.open(sealedOf(row, 'sealed'), identity));
  }
}

async function dumpAll(): Promise<typeof dump> {
  const tables = await database.pool.query<{ name: string }>(
    "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'",
  );
  const all: typeof dump = {};
  for (const { name } of tables.rows) {
    const { rows } = await database.pool.query<{ row: string }>(`SELECT row_to_json(t)::text AS row FROM "${name}" t`);
    all[name] = rows.map(({ row }) => JSON.parse(row));
  }
  return all;
}

function openKey(row: Record<string, unknown>, keyEncryption: KeyEncryption): KeyObject {
  const plain = keyEncryption.open(sealedOf(row, 'private_key'), signingKeyIdentity(String(row.kid)));
  return createPrivateKey({ key: plain, format: 'der', type: 'pkcs8' });
}

function sealedOf(row: Record<string, unknown>, column: string): Sealed {
  const bytes = (name: string) => Buffer.from(String(row[name]).replace('\\x', ''), 'hex');
  return {
    ciphertext: bytes(column),
    wrappedDataKey: bytes('wrapped_data_key'),
    kekId: String(row.kek_id),
  };
}

const everything = () =>
  [
    ...Object.values(dump)
      .flat()
      .map((row) => JSON.stringify(row)),
    ...log,
  ].join('\n');
const secrets = () => [...[...keys.values()].flatMap(secretPartsOf), ...serverSecrets.values()];

test('there were keys in every state, and the database and the log tell of them', () => {
  const states = new Set(dump.signing_keys!.map(({ state }) => state));
  expect([...states]).toEqual(expect.arrayContaining(['active', 'published', 'retiring', 'revoked']));
  expect(keys.size).toBeGreaterThanOrEqual(ALGORITHMS.length * 3);
  expect(serverSecrets.size).toBeGreaterThanOrEqual(5);
  for (const { kid } of dump.signing_keys!) expect(keys.has(String(kid))).toBe(true);
  expect(log.join('')).toMatch(/wrong key|key-encryption key/);
  expect(dump.audit_events!.map(({ type }) => type)).toContain('signing_key.revoked');
});

test('S-082 K12 neither the database nor the log contains a private key or another secret, in any spelling', () => {
  expect(findSecrets(everything(), secrets())).toEqual([]);
});

test('S-082 K12 nothing in the database or the log can be read as a private key', () => {
  expect(readPrivateKeys(everything())).toEqual([]);
});

test('with the key-encryption key the same dump opens', () => {
  const sealed = dump.signing_keys!.filter((row) => row.private_key);
  expect(sealed.length).toBeGreaterThan(ALGORITHMS.length);
  for (const row of sealed) expect(belongsTo(openKey(row, after), row.public_jwk as JWK)).toBe(true);
  expect(() => openKey(sealed[0]!, createKeyEncryption(randomBytes(32)))).toThrow();
});

const { privateKey: ed } = generateKeyPairSync('ed25519');
const { privateKey: ec } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const { privateKey: rsa } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pkcs8 = (key: KeyObject) => key.export({ format: 'der', type: 'pkcs8' });
const leaks: [string, (key: KeyObject) => string][] = [
  [
    'PKCS#8 in hexadecimal, as PostgreSQL writes bytes',
    (key) => JSON.stringify({ c: `\\x${pkcs8(key).toString('hex')}` }),
  ],
  ['PKCS#8 in base64', (key) => JSON.stringify({ key: pkcs8(key).toString('base64') })],
  ['PKCS#8 in base64url, in the middle of something', (key) => `token=a.${pkcs8(key).toString('base64url')}.b`],
  ['PEM in a line of the log', (key) => JSON.stringify({ key: key.export({ format: 'pem', type: 'pkcs8' }) })],
  ['a JWK', (key) => JSON.stringify({ jwk: key.export({ format: 'jwk' }) })],
  ['a JWK in base64', (key) => Buffer.from(JSON.stringify(key.export({ format: 'jwk' }))).toString('base64')],
  ['a buffer as JSON', (key) => JSON.stringify({ key: pkcs8(key) })],
];
const partial: [string, (key: KeyObject) => string][] = [
  ['only the private member, in hexadecimal', (key) => secretPartsOf(key)[0]!.toString('hex').toUpperCase()],
  ['only the private member, in base64url', (key) => JSON.stringify({ x: key.export({ format: 'jwk' }).d })],
];

test.each([...leaks, ...partial])('it would be found as %s', (_, write) => {
  for (const key of [ed, ec, rsa]) {
    const text = `${everything()}\n${write(key)}`;
    expect(findSecrets(text, secretPartsOf(key))).not.toEqual([]);
  }
});

test.each(leaks.slice(0, 6))('and read as a key: %s', (_, write) => {
  for (const key of [ed, ec, rsa]) {
    const found = readPrivateKeys(`some text\n${write(key)}\nand more`);
    expect(found.some((one) => one.equals(key))).toBe(true);
  }
});
