import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createKeyEncryption } from '../../src/signing-keys/envelope.ts';
import { claimKeys, moveKeys } from '../../src/signing-keys/key-issuer.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { createNodes } from './key-nodes.ts';

const by = { actor: 'test' };
const [ISSUER, STAGING] = ['https://id.example.com', 'https://staging.example.com'];

let database: TestDatabase;
let nodes: ReturnType<typeof createNodes>;
let warnings: string[];
beforeEach(async () => {
  database = await openTestDatabase();
  nodes = createNodes(createKeyEncryption(randomBytes(32)));
  warnings = [];
});
afterEach(async () => {
  await nodes.close();
  await database.close();
});

function claim(issuer: string, production = true): Promise<void> {
  return claimKeys({ database, issuer, production, logger: { warn: (text) => void warnings.push(text) } });
}

test('K6 the first who serves owns the keys, and starts again and again', async () => {
  await claim(ISSUER);
  await claim(ISSUER);
  expect(warnings).toEqual([]);
});

test('K6 in production another issuer is refused the keys of the first, by name and with what to do', async () => {
  await claim(ISSUER);
  await expect(claim(STAGING)).rejects.toThrow(
    /those of https:\/\/id\.example\.com.*daemun keys move.*Nothing was changed/s,
  );
  await claim(ISSUER);
});

test('elsewhere, where an issuer changes with its port, it is only said', async () => {
  await claim('http://localhost:3000', false);
  await claim('http://localhost:4000', false);
  expect(warnings).toEqual([expect.stringContaining('http://localhost:3000')]);
});

test('K6 moving ends every key of the issuer before and makes others, once', async () => {
  const store = nodes.storeOn(database);
  await store.advance();
  await store.advance();
  await claim(ISSUER);
  const before = (await store.list()).keys.map(({ kid }) => kid);
  const moved = await moveKeys({ database, keyStore: store, issuer: STAGING }, by);
  expect(moved.from).toBe(ISSUER);
  expect(new Set(moved.revoked)).toEqual(new Set(before));
  const { keys } = await store.list();
  expect(keys.filter(({ kid }) => before.includes(kid)).map(({ state }) => state)).toEqual(before.map(() => 'revoked'));
  expect(keys.filter(({ state }) => state === 'active')).toHaveLength(before.length / 2);
  await claim(STAGING);
  await expect(claim(ISSUER)).rejects.toThrow(/https:\/\/staging/);
  expect(await moveKeys({ database, keyStore: store, issuer: STAGING }, by)).toEqual({ from: STAGING, revoked: [] });
});
