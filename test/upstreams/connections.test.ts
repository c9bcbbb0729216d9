import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { openNode } from './sign-ins-fixtures.ts';

const BY = { actor: 'cli' };
let database: TestDatabase;
let node: ReturnType<typeof openNode>;
beforeAll(async () => {
  database = await openTestDatabase();
  node = openNode(database);
});
afterAll(async () => {
  await node.close();
  await database.close();
});

test('a connection is disabled and enabled once, and both are on record with who did it', async () => {
  const { connections } = node;
  expect(await connections.list()).toEqual([
    { provider: 'google', displayName: 'Google' },
    { provider: 'discord', displayName: 'Discord' },
  ]);
  expect(await connections.enable('google', BY)).toBe('unchanged');
  expect(await connections.disable('google', BY)).toBe('done');
  expect(await connections.disable('google', BY)).toBe('unchanged');
  expect(await connections.list()).toEqual([
    { provider: 'google', displayName: 'Google', disabledAt: expect.any(Date) },
    { provider: 'discord', displayName: 'Discord' },
  ]);
  expect(await connections.enable('google', BY)).toBe('done');
  expect(await connections.disable('google', BY)).toBe('done');
  const { rows } = await database.pool.query('SELECT type, actor, details FROM audit_events ORDER BY id');
  expect(rows).toEqual(
    ['disabled', 'enabled', 'disabled'].map((change) => ({
      type: `upstream.connection_${change}`,
      actor: 'cli',
      details: { provider: 'google' },
    })),
  );
});

test('of many who disable one at once, one does', async () => {
  const outcomes = await Promise.all(Array.from({ length: 10 }, () => node.connections.disable('discord', BY)));
  expect(outcomes.toSorted()).toEqual(['done', ...Array(9).fill('unchanged')]);
});

test.each(['github', '', '__proto__'])('%j is not configured', async (provider) => {
  expect(await node.connections.disable(provider, BY)).toBe('not_found');
  expect(await node.connections.enable(provider, BY)).toBe('not_found');
});
