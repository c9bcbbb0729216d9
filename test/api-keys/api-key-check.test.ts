import { beforeEach, describe, expect, test } from '@jest/globals';
import { createApiKeyCheck, MAX_AGE } from '../../src/api-keys/api-key-check.ts';
import { generateApiKeyValue } from '../../src/api-keys/api-key-value.ts';
import { workAs } from '../../src/platform/database/as-subject.ts';
import { createPerson } from '../accounts/node.ts';
import { recordStatements } from '../support/recorded-statements.ts';
import {
  ADMINISTRATOR,
  actingFor,
  BY,
  type KeyNode,
  makeKey,
  NOTES,
  OWN_API,
  startKeyNode,
  useKeyNodes,
} from './key-nodes.ts';

let node: KeyNode;
let other: KeyNode;
useKeyNodes((nodes) => {
  node = nodes.node;
  other = nodes.otherNode;
});

let alice: string;
beforeEach(async () => {
  alice = (await createPerson(node)).id;
  node.refusals.length = 0;
});

const owner = () => ({ kind: 'user', id: alice }) as const;

/** Asks again until the answer is this; false when it does not come. */
async function becomes(wanted: string, ask: () => Promise<{ kind: string; cause?: string }>): Promise<boolean> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await new Promise((done) => setTimeout(done, 20))) {
    const { kind, cause } = await ask();
    if ((cause ?? kind) === wanted) return true;
  }
  return false;
}

test('a key that holds says who it acts for and what it may now', async () => {
  const access = { [NOTES]: ['read'], [OWN_API]: ['profile:read'] };
  const key = await makeKey(node, owner(), { access });
  expect(await node.apiKeyCheck.check(key.value, {})).toEqual({
    kind: 'valid',
    apiKey: {
      id: key.id,
      owner: { kind: 'user', id: alice },
      subject: alice,
      access,
      createdAt: key.createdAt,
      expiresAt: key.expiresAt,
      isAdministrator: false,
    },
  });
  expect(await node.apiKeyCheck.check(key.value, { resource: NOTES })).toMatchObject({
    apiKey: { access: { [NOTES]: ['read'] } },
  });
  expect(node.refusals).toEqual([]);
});

describe('why a key does not hold is told apart in the log, with its id where it is one of ours', () => {
  const revise = (id: string, set: string) =>
    workAs(node.database.pool, { role: 'caretaker' }, (client) =>
      client.query(`UPDATE api_keys SET ${set} WHERE id = $1`, [id]),
    );

  test.each<[string, (key: { id: string; value: string }) => Promise<unknown>, object]>([
    ['revoked', (key) => node.apiKeys.revoke(key.id, actingFor(alice), BY), {}],
    ['expired', (key) => revise(key.id, `expires_at = now() - interval '1 second'`), {}],
    ['owner_disabled', () => node.accounts.disable(alice, BY), {}],
    ['revoked', () => node.accounts.delete(alice, BY), {}],
    ['address', (key) => revise(key.id, `allowed_addresses = '{192.0.2.0/24}'`), { address: '198.51.100.1' }],
    ['address', (key) => revise(key.id, `allowed_addresses = '{192.0.2.0/24}'`), {}],
    ['address', (key) => revise(key.id, `allowed_addresses = '{192.0.2.0/24}'`), { address: '2001:db8::1' }],
    ['resource', async () => {}, { resource: OWN_API }],
    ['resource', async () => {}, { resource: 'https://other.example.com/' }],
    ['resource', async () => {}, { resource: 'constructor' }],
    ['resource', (key) => revise(key.id, `access = '{"https://gone.example.com/": ["read"]}'`), {}],
  ])('%s (%#)', async (cause, change, context) => {
    const key = await makeKey(node, owner());
    await change(key);
    expect(await node.apiKeyCheck.check(key.value, context)).toEqual({ kind: 'refused', cause });
    expect(node.refusals).toEqual([{ cause, apiKey: key.id }]);
  });

  test('unknown, and what is no key at all, for which the database is not asked', async () => {
    const statements = recordStatements(node.database.pool);
    const value = generateApiKeyValue('sk-').reveal();
    const wrong = `${value.slice(0, 10)}${value[10] === 'x' ? 'y' : 'x'}${value.slice(11)}`;
    for (const [presented, cause] of [
      ['', 'malformed'],
      ['sk-short', 'malformed'],
      [wrong, 'checksum'],
    ] as const) {
      expect(await node.apiKeyCheck.check(presented, {})).toEqual({ kind: 'refused', cause });
    }
    expect(statements).toEqual([]);
    expect(await node.apiKeyCheck.check(value, {})).toEqual({ kind: 'refused', cause: 'unknown' });
    expect(statements.map(({ text }) => text)).toEqual(['SELECT * FROM api_keys_by_digest($1::bytea[])']);
    expect(node.refusals).toEqual([
      { cause: 'malformed' },
      { cause: 'malformed' },
      { cause: 'checksum' },
      { cause: 'unknown' },
    ]);
  });
});

test('what was found, and that nothing was, is remembered: many checks are one statement; many at once as well', async () => {
  const key = await makeKey(node, owner());
  // Longer than this test takes on any machine.
  const fresh = startKeyNode(node.database, { maxAge: 3_600_000 });
  await fresh.resourceServers.list();
  const statements = recordStatements(node.database.pool);
  const missing = generateApiKeyValue('sk-').reveal();
  for (const value of [key.value, missing]) {
    const before = statements.filter(({ text }) => /api_keys/.test(text)).length;
    await Promise.all(Array.from({ length: 50 }, () => fresh.apiKeyCheck.check(value, {})));
    for (let again = 0; again < 50; again++) await fresh.apiKeyCheck.check(value, {});
    expect(statements.filter(({ text }) => /api_keys/.test(text)).length - before).toBe(1);
  }
  await fresh.close();
});

test('S-059 a scope that its resource server does not have any more is gone from every key', async () => {
  const identifier = 'https://changing.example.com/';
  const scopes = ['read', 'write'].map((name) => ({ name, description: name }));
  await node.resourceServers.create({ identifier, name: 'Changing', scopes }, BY);
  const key = await makeKey(node, owner(), { access: { [identifier]: ['read', 'write'] } });
  await node.resourceServers.update(identifier, { scopes: [{ name: 'read', description: 'read' }] }, BY);
  expect(await node.apiKeyCheck.check(key.value, {})).toMatchObject({ apiKey: { access: { [identifier]: ['read'] } } });
});

describe('on another node, which hears nothing of this one', () => {
  test('S-064 a revoked key is refused by the time that its revocation is answered', async () => {
    const patient = startKeyNode(node.database, { pause: (ms) => new Promise((done) => setTimeout(done, ms)) });
    for (const end of [
      (id: string) => patient.apiKeys.revoke(id, actingFor(alice), BY),
      (id: string) => patient.apiKeys.revoke(id, ADMINISTRATOR, BY),
      (id: string) => patient.apiKeys.rotate(id, { overlapSeconds: 0 }, actingFor(alice), BY),
      (id: string) => patient.apiKeys.change(id, { access: { [OWN_API]: [] } }, actingFor(alice), BY),
    ]) {
      const key = await makeKey(node, owner());
      const asked = () => other.apiKeyCheck.check(key.value, { resource: NOTES });
      expect((await asked()).kind).toBe('valid');
      // Asked all the time, so that it is remembered as freshly as can be.
      let isOver = false;
      const asking = (async () => {
        while (!isOver) {
          await asked();
          await new Promise((done) => setTimeout(done, 5));
        }
      })();
      await end(key.id);
      expect((await asked()).kind).toBe('refused');
      isOver = true;
      await asking;
    }
    await patient.close();
  });

  test('S-061 a key whose owner was disabled stops working, and works again when they are enabled', async () => {
    const key = await makeKey(node, owner());
    const asked = () => other.apiKeyCheck.check(key.value, {});
    expect((await asked()).kind).toBe('valid');
    await node.accounts.disable(alice, BY);
    expect(await becomes('owner_disabled', asked)).toBe(true);
    await node.accounts.enable(alice, BY);
    expect(await becomes('valid', asked)).toBe(true);
  });
});

test('a key is remembered for half a second and not a millisecond longer, however often it is used', async () => {
  const key = await makeKey(node, owner());
  expect(MAX_AGE).toBeLessThanOrEqual(500);
  let time = 0;
  const check = createApiKeyCheck({
    pool: node.database.pool,
    prefix: 'sk-',
    rights: { effective: async (access) => access },
    accelerator: startKeyNode(node.database).accelerator,
    onUse() {},
    onRefusal() {},
    now: () => time,
    pause: async () => {},
  });
  expect((await check.check(key.value, {})).kind).toBe('valid');
  await node.apiKeys.revoke(key.id, actingFor(alice), BY);
  for (time = 0; time < MAX_AGE; time += 50) expect((await check.check(key.value, {})).kind).toBe('valid');
  time = MAX_AGE;
  expect(await check.check(key.value, {})).toEqual({ kind: 'refused', cause: 'revoked' });
});

test('while the database cannot be asked, a key that is not remembered is neither valid nor refused: the check fails', async () => {
  const value = generateApiKeyValue('sk-').reveal();
  const pool = { query: () => Promise.reject(Object.assign(new Error('gone'), { code: 'ECONNREFUSED' })) };
  const check = createApiKeyCheck({
    pool: pool as never,
    prefix: 'sk-',
    rights: { effective: async (access) => access },
    accelerator: node.accelerator,
    onUse() {},
    onRefusal() {},
  });
  await expect(check.check(value, {})).rejects.toMatchObject({ code: 'unavailable' });
});
