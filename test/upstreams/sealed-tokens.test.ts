import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createKeyEncryption } from '../../src/signing-keys/envelope.ts';
import { createTokenVault, type TokenVault } from '../../src/upstreams/token-vault.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';

const OWNER = { provider: 'google', subject: '110' };
const OTHER = { provider: 'google', subject: '111' };
const ELSEWHERE = { provider: 'discord', subject: '110' };
const NOBODY = { provider: 'google', subject: 'nobody' };
const TOKENS = { accessToken: 'ya29.very-secret', refreshToken: '1//refresh-secret', scope: 'openid', expiresAt: 1 };

let database: TestDatabase;
let vault: TokenVault;
beforeAll(async () => {
  database = await openTestDatabase();
  const { prisma } = database;
  const { id: userId } = await prisma.user.create({ data: { id: randomUUID(), name: 'Somebody' } });
  for (const owner of [OWNER, OTHER, ELSEWHERE]) await prisma.federatedIdentity.create({ data: { ...owner, userId } });
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.prisma.upstreamToken.deleteMany();
  vault = createTokenVault({ pool: database.pool, encryption: createKeyEncryption(randomBytes(32)) });
});

const kept = () => database.prisma.upstreamToken.count();

describe('S-099 tokens of somebody who is nobody here yet', () => {
  test('are a text that says nothing, and nothing is stored', async () => {
    const sealed = vault.seal(OWNER, TOKENS);
    const [ciphertext = '', dataKey = ''] = sealed.split('.');
    for (const text of [
      sealed,
      ...[ciphertext, dataKey].map((part) => Buffer.from(part, 'base64url').toString('latin1')),
    ]) {
      expect(text).not.toMatch(/secret|openid/);
    }
    expect(sealed).toMatch(/^[\w-]+\.[\w-]+\.[^\s"]+$/);
    expect(vault.seal(OWNER, TOKENS)).not.toBe(sealed);
    expect(await kept()).toBe(0);
  });

  test('are kept as they were, once they are theirs', async () => {
    expect(await vault.keepSealed(OWNER, vault.seal(OWNER, TOKENS))).toBe(true);
    expect(await vault.read(OWNER)).toEqual(TOKENS);
  });

  test('take the place of earlier ones, of which a refresh token stays', async () => {
    await vault.keep(OWNER, TOKENS);
    expect(await vault.keepSealed(OWNER, vault.seal(OWNER, { accessToken: 'newer' }))).toBe(true);
    expect(await vault.read(OWNER)).toEqual({ accessToken: 'newer', refreshToken: TOKENS.refreshToken });
  });

  test('are not kept for somebody who is still nobody', async () => {
    expect(await vault.keepSealed(NOBODY, vault.seal(NOBODY, TOKENS))).toBe(false);
  });

  const sealedTexts: [string, () => string][] = [
    ['sealed for another person', () => vault.seal(OTHER, TOKENS)],
    ['sealed for the same subject of another provider', () => vault.seal(ELSEWHERE, TOKENS)],
    ['sealed under another key', () => otherVault().seal(OWNER, TOKENS)],
    ['with a letter changed', () => altered(0)],
    ['with a letter of its key changed', () => altered(1)],
    ['of another key by name', () => [...vault.seal(OWNER, TOKENS).split('.').slice(0, 2), 'other'].join('.')],
    ['cut off', () => vault.seal(OWNER, TOKENS).slice(0, 40)],
    ['without its key', () => vault.seal(OWNER, TOKENS).split('.')[0]!],
    ['empty', () => ''],
    ['of dots', () => '...'],
    ['that is plain JSON', () => JSON.stringify(TOKENS)],
  ];
  const otherVault = () => createTokenVault({ pool: database.pool, encryption: createKeyEncryption(randomBytes(32)) });

  /** Another letter in the middle of a part: the last one may have bits that mean nothing. */
  function altered(part: number): string {
    const parts = vault.seal(OWNER, TOKENS).split('.');
    const text = parts[part]!;
    parts[part] = `${text.slice(0, 20)}${text[20] === 'A' ? 'B' : 'A'}${text.slice(21)}`;
    return parts.join('.');
  }

  test.each(sealedTexts)('a text %s keeps nothing, and throws nothing', async (_, make) => {
    expect(await vault.keepSealed(OWNER, make())).toBe(false);
    expect(await kept()).toBe(0);
  });

  test.each(sealedTexts)('a text %s leaves those that were kept before as they were', async (_, make) => {
    await vault.keep(OWNER, TOKENS);
    await vault.keepSealed(OWNER, make());
    expect(await vault.read(OWNER)).toEqual(TOKENS);
  });
});
