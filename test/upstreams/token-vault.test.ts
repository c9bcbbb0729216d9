import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createKeyEncryption } from '../../src/signing-keys/envelope.ts';
import { createTokenVault, type TokenVault } from '../../src/upstreams/token-vault.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';

const OWNER = { provider: 'google', subject: '110' };
const OTHER = { provider: 'google', subject: '111' };
const ELSEWHERE = { provider: 'discord', subject: '110' };
const TOKENS = {
  accessToken: 'ya29.very-secret',
  refreshToken: '1//refresh-secret',
  scope: 'openid',
  expiresAt: 1_800_000_000,
};

let database: TestDatabase;
let vault: TokenVault;
beforeAll(async () => {
  database = await openTestDatabase();
  const { rows } = await database.pool.query<{ id: string }>(
    `INSERT INTO users (id, name, updated_at) VALUES ($1, 'Somebody', now()) RETURNING id`,
    [randomUUID()],
  );
  for (const { provider, subject } of [OWNER, OTHER, ELSEWHERE]) {
    await database.pool.query('INSERT INTO federated_identities (provider, subject, user_id) VALUES ($1, $2, $3)', [
      provider,
      subject,
      rows[0]!.id,
    ]);
  }
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.pool.query('DELETE FROM upstream_tokens');
  vault = createTokenVault({ pool: database.pool, encryption: createKeyEncryption(randomBytes(32)) });
});

describe('S-099 tokens that are kept', () => {
  test('are read, replaced and removed by their owner', async () => {
    expect(await vault.read(OWNER)).toBeUndefined();
    expect(await vault.keep(OWNER, TOKENS)).toBe(true);
    expect(await vault.read(OWNER)).toEqual(TOKENS);
    expect(await vault.keep(OWNER, { accessToken: 'newer', refreshToken: 'newer' })).toBe(true);
    expect(await vault.read(OWNER)).toEqual({ accessToken: 'newer', refreshToken: 'newer' });
    expect(await vault.read(OTHER)).toBeUndefined();
    await vault.remove(OWNER);
    expect(await vault.read(OWNER)).toBeUndefined();
  });

  test('a refresh token stays until there is another, since Google hands out one only once', async () => {
    await vault.keep(OWNER, TOKENS);
    await vault.keep(OWNER, { accessToken: 'newer' });
    expect(await vault.read(OWNER)).toEqual({ accessToken: 'newer', refreshToken: TOKENS.refreshToken });
  });

  test('what cannot be opened any more is replaced and keeps nobody out', async () => {
    const stranger = createTokenVault({ pool: database.pool, encryption: createKeyEncryption(randomBytes(32)) });
    await stranger.keep(OWNER, TOKENS);
    expect(await vault.keep(OWNER, { accessToken: 'newer' })).toBe(true);
    expect(await vault.read(OWNER)).toEqual({ accessToken: 'newer' });
  });

  test('are of an identity that somebody here has', async () => {
    expect(await vault.keep({ provider: 'google', subject: 'nobody' }, TOKENS)).toBe(false);
  });

  test('are unreadable in the database', async () => {
    await vault.keep(OWNER, TOKENS);
    const { rows } = await database.pool.query('SELECT * FROM upstream_tokens');
    const stored = Object.values(rows[0]).map((value) => (Buffer.isBuffer(value) ? value.toString('latin1') : value));
    expect(stored.join(' ')).not.toMatch(/secret|openid/);
  });

  test.each([
    ['another person', OTHER],
    ['another provider, same subject', ELSEWHERE],
  ])('cannot be moved to the row of %s', async (_whose, thief) => {
    await vault.keep(OWNER, TOKENS);
    await vault.keep(thief, { accessToken: 'own' });
    await database.pool.query(
      `UPDATE upstream_tokens t SET sealed = s.sealed, wrapped_data_key = s.wrapped_data_key
       FROM upstream_tokens s WHERE t.provider = $1 AND t.subject = $2 AND s.provider = $3 AND s.subject = $4`,
      [thief.provider, thief.subject, OWNER.provider, OWNER.subject],
    );
    await expect(vault.read(thief)).rejects.toThrow();
    expect(await vault.read(OWNER)).toEqual(TOKENS);
  });

  test('cannot be altered, nor read with another key-encryption key', async () => {
    await vault.keep(OWNER, TOKENS);
    const stranger = createTokenVault({ pool: database.pool, encryption: createKeyEncryption(randomBytes(32)) });
    await expect(stranger.read(OWNER)).rejects.toThrow();
    await database.pool.query('UPDATE upstream_tokens SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1)');
    await expect(vault.read(OWNER)).rejects.toThrow();
  });

  test('go with the identity', async () => {
    await vault.keep(ELSEWHERE, TOKENS);
    await database.pool.query(`DELETE FROM federated_identities WHERE provider = 'discord'`);
    expect(await vault.read(ELSEWHERE)).toBeUndefined();
  });
});
