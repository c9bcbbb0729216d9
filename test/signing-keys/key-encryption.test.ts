import { randomBytes, randomUUID } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { explainFailure } from '../../src/platform/explain-failure.ts';
import { SecretText } from '../../src/platform/secret-text.ts';
import { createKeyEncryption, rowIdentity } from '../../src/signing-keys/envelope.ts';
import { loadKeyEncryption } from '../../src/signing-keys/key-encryption.ts';
import { openSecrets } from '../../src/signing-keys/server-secrets.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
let directory: string;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'daemun-keys-'));
});
afterEach(async () => {
  rmSync(directory, { recursive: true, force: true });
  await database.pool.query('DELETE FROM server_secrets');
});

const load = (options: Partial<Parameters<typeof loadKeyEncryption>[0]> = {}) =>
  loadKeyEncryption({ directory, production: false, database, ...options });
const file = () => join(directory, 'key-encryption.key');
const aKey = () => randomBytes(32).toString('base64');

test('the first start makes a key that only its owner can read, and later starts use it', async () => {
  const first = await load();
  expect(Buffer.from(readFileSync(file(), 'utf8'), 'base64')).toHaveLength(32);
  if (process.platform !== 'win32') expect(statSync(file()).mode & 0o777).toBe(0o600);
  expect((await load()).kekId).toBe(first.kekId);
});

test('what is wrong with the key is told to whoever starts the service without a stack', async () => {
  const failure = await load({ production: true }).catch((error: unknown) => error);
  expect(failure).toMatchObject({ name: 'KeyEncryptionError', forOperator: true });
  expect(explainFailure(failure)).toBe((failure as Error).message);
  // A key that cannot be read has a cause with a stack of its own.
  mkdirSync(file());
  const unreadable = await load().catch((error: unknown) => error);
  expect(unreadable).toMatchObject({ forOperator: true, cause: { code: 'EISDIR' } });
  expect(explainFailure(unreadable)).toBe((unreadable as Error).message);
});

test('many starts at once make one key, and no half-written file stays', async () => {
  const ids = await Promise.all(Array.from({ length: 20 }, async () => (await load()).kekId));
  expect(new Set(ids).size).toBe(1);
  expect(readdirSync(directory)).toEqual(['key-encryption.key']);
});

test('the directory is made when it is not there', async () => {
  const nested = join(directory, 'a', 'b');
  await load({ directory: nested });
  expect(existsSync(join(nested, 'key-encryption.key'))).toBe(true);
});

test('a configured key wins over the file, and none is made', async () => {
  const value = new SecretText(aKey());
  const configured = await load({ value });
  expect(existsSync(file())).toBe(false);
  expect((await load()).kekId).not.toBe(configured.kekId);
  expect((await load({ value })).kekId).toBe(configured.kekId);
});

test('production makes no key of its own', async () => {
  await expect(load({ production: true })).rejects.toThrow(/KEY_ENCRYPTION_KEY is missing.*openssl/);
  expect(readdirSync(directory)).toEqual([]);
});

test('a file that others can read is used with a warning', async () => {
  writeFileSync(file(), aKey());
  chmodSync(file(), 0o644);
  const warnings: string[] = [];
  await load({ warn: (text) => warnings.push(text) });
  expect(warnings).toEqual(process.platform === 'win32' ? [] : [expect.stringMatching(/chmod 600/)]);
});

describe('a key that is none is refused and left as it is', () => {
  test.each([
    ['empty', ''],
    ['too short', randomBytes(31).toString('base64')],
    ['too long', randomBytes(33).toString('base64')],
    ['not base64', '!!!'],
  ])('%s', async (_what, text) => {
    writeFileSync(file(), text);
    await expect(load()).rejects.toThrow(/32 bytes in base64/);
    expect(readFileSync(file(), 'utf8')).toBe(text);
    await expect(load({ value: new SecretText(text) })).rejects.toThrow(/KEY_ENCRYPTION_KEY.*32 bytes/);
  });
});

describe('several keys', () => {
  const keys = [aKey(), aKey(), aKey()];
  const idOf = (key: string) => createKeyEncryption(Buffer.from(key, 'base64')).kekId;

  test.each([
    ['one in a line', keys.join('\n')],
    ['one in a line, as Windows ends them, with an empty one', `${keys.join('\r\n')}\r\n\r\n`],
    ['separated by commas', keys.join(', ')],
  ])('%s: the first seals, all open', async (_how, text) => {
    writeFileSync(file(), text, { mode: 0o600 });
    for (const value of [undefined, new SecretText(text)]) {
      const { kekId, kekIds } = await load({ ...(value && { value }) });
      expect(kekIds).toEqual(keys.map(idOf));
      expect(kekId).toBe(idOf(keys[0]!));
    }
  });

  test('one of them being none, the message says which and repeats nothing of it', async () => {
    const text = [keys[0], 'c2hvcnQ=', keys[1]].join('\n');
    const failure = (await load({ value: new SecretText(text) }).catch((error: unknown) => error)) as Error;
    expect(failure.message).toMatch(/KEY_ENCRYPTION_KEY does not hold a key in place 2 of 3.*32 bytes.*has 5/);
    for (const part of text.split('\n')) expect(failure.message).not.toContain(part);
  });
});

describe('beside a database that was sealed before', () => {
  let sealedUnder: string;
  beforeEach(async () => {
    const keyEncryption = await load();
    sealedUnder = keyEncryption.kekId;
    await openSecrets({ database, keyEncryption });
  });

  test('a missing file stops the start, names the key and makes no other', async () => {
    rmSync(file());
    await expect(load()).rejects.toThrow(new RegExp(`key-encryption.key.*${sealedUnder}`));
    expect(readdirSync(directory)).toEqual([]);
  });

  test('another key stops the start and names both', async () => {
    writeFileSync(file(), aKey());
    const before = readFileSync(file(), 'utf8');
    await expect(load()).rejects.toThrow(new RegExp(`wrong key-encryption key.*${sealedUnder}`));
    await expect(load({ value: new SecretText(aKey()) })).rejects.toThrow(/wrong key-encryption key/);
    expect(readFileSync(file(), 'utf8')).toBe(before);
  });

  test('a new key in front of the one that is needed opens and seals from now on', async () => {
    const old = readFileSync(file(), 'utf8').trim();
    const { kekId, kekIds } = await load({ value: new SecretText(`${aKey()},${old}`) });
    expect(kekIds).toEqual([kekId, sealedUnder]);
  });

  test('a new key in front, which a node that serves does not have, is worth a warning that says what to do', async () => {
    const old = readFileSync(file(), 'utf8').trim();
    const add = `INSERT INTO key_set_nodes (id, version, kek_ids, seen_at)
      VALUES ($1, 1, $2, now() - $3 * interval '1 second')`;
    const node = randomUUID();
    await database.pool.query(add, [node, [sealedUnder], 10]);
    await database.pool.query(add, [randomUUID(), ['gone'], 61]);
    const [key, warnings]: [string, string[]] = [aKey(), []];
    const warn = (text: string) => warnings.push(text);
    const { kekId } = await load({ value: new SecretText(`${key},${old}`), warn });
    expect(warnings).toEqual([expect.stringMatching(new RegExp(`${kekId} is first here.*\\(${node}\\).*behind`))]);
    await load({ value: new SecretText(`${old},${key}`), warn });
    expect(warnings).toHaveLength(1);
    await database.pool.query('DELETE FROM key_set_nodes');
  });

  test('of two keys that are needed one is missing: the message names it and those that are here', async () => {
    const old = Buffer.from(readFileSync(file(), 'utf8'), 'base64');
    const other = createKeyEncryption(randomBytes(32));
    const id = 'password-pepper-other';
    const sealed = other.seal(randomBytes(32), rowIdentity('server_secrets', id, 'password-pepper'));
    await database.pool.query(
      `INSERT INTO server_secrets (id, purpose, sealed, wrapped_data_key, kek_id) VALUES ($1, 'password-pepper', $2, $3, $4)`,
      [id, sealed.ciphertext, sealed.wrappedDataKey, sealed.kekId],
    );
    const failure = load({ value: new SecretText(old.toString('base64')) });
    await expect(failure).rejects.toThrow(
      new RegExp(`A key-encryption key is missing: here is ${sealedUnder}, and .* under ${other.kekId}\\.`),
    );
  });

  test('what others sealed counts as well, and an erased half does not', async () => {
    await database.pool.query(
      'CREATE TABLE sealed_elsewhere (id text PRIMARY KEY, sealed bytea, kek_id text NOT NULL)',
    );
    await database.pool.query(`INSERT INTO sealed_elsewhere VALUES ('a', '\\x00', 'elsewhere'), ('b', NULL, 'erased')`);
    const tables = [
      { table: 'sealed_elsewhere', key: ['id'], ciphertext: 'sealed', identityOf: ([id]: readonly string[]) => id! },
    ];
    await expect(load({ tables })).rejects.toThrow(/missing: here is .* under elsewhere\./);
    await database.pool.query('DROP TABLE sealed_elsewhere');
  });
});
