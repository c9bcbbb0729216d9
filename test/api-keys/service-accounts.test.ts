import { hash } from 'node:crypto';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { isAccountId } from '../../src/accounts/account.ts';
import { ADMINISTRATOR, actingFor, BY, type KeyNode, makeKey, NOTES, OWN_API, useKeyNodes } from './key-nodes.ts';

let node: KeyNode;
let other: KeyNode;
useKeyNodes((nodes) => {
  node = nodes.node;
  other = nodes.otherNode;
});

async function create(input: object = {}) {
  const outcome = await node.serviceAccounts.create(
    { name: 'Robot', access: { [NOTES]: ['read', 'write'] }, ...input },
    { actor: 'an administrator' },
  );
  if (outcome.kind !== 'created') throw new Error(JSON.stringify(outcome));
  return outcome.serviceAccount;
}

let id: string;
beforeEach(async () => {
  id = (await create()).id;
});

const owner = () => ({ kind: 'service_account', id }) as const;

test('is made with a subject of its own, which is in order and no person’s, and with the rights that it is given', async () => {
  const account = await create({ description: 'nightly', access: { [NOTES]: ['read'], [OWN_API]: ['users:read'] } });
  expect(account).toEqual({
    id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-8/),
    name: 'Robot',
    description: 'nightly',
    access: { [NOTES]: ['read'], [OWN_API]: ['users:read'] },
    state: 'active',
    createdAt: expect.any(Date),
    createdBy: 'an administrator',
    updatedAt: expect.any(Date),
  });
  expect(account.id > id && isAccountId(account.id)).toBe(true);
  expect(await node.serviceAccounts.find(account.id)).toEqual(account);
  expect(await node.accounts.find(account.id)).toBeUndefined();
});

test.each<[object, string]>([
  [{ name: '' }, 'name'],
  [{ access: { 'https://nowhere.example.com/': [] } }, 'access.https://nowhere.example.com/'],
  [{ access: { [NOTES]: ['admin'] } }, `access.${NOTES}`],
  [{ password: 'x' }, 'password'],
])('S-172 is refused with the field: %j', async (input, field) => {
  const outcome = await node.serviceAccounts.create({ name: 'Robot', ...input } as never, BY);
  expect(outcome).toMatchObject({ kind: 'refused', problems: [{ field }] });
});

test('are listed in pages, oldest first, without the deleted', async () => {
  const more = [(await create()).id, (await create()).id];
  const { serviceAccounts, next } = await node.serviceAccounts.list({ limit: 2, after: id });
  expect([serviceAccounts.map((each) => each.id), next]).toEqual([more, undefined]);
  expect((await node.serviceAccounts.list({ limit: 1, after: id })).next).toBe(more[0]);
  await node.serviceAccounts.delete(more[0]!, BY);
  expect((await node.serviceAccounts.list({ limit: 9, after: id })).serviceAccounts.map((each) => each.id)).toEqual([
    more[1],
  ]);
  expect(await node.serviceAccounts.find(more[0]!)).toBeUndefined();
});

describe('its keys', () => {
  test('act for it, and get no more than it has', async () => {
    const key = await makeKey(node, owner(), { access: { [NOTES]: ['read'] } });
    expect(await node.apiKeyCheck.check(key.value, {})).toMatchObject({
      apiKey: { subject: id, owner: owner(), access: { [NOTES]: ['read'] } },
    });
    const own = { [OWN_API]: ['profile:read'] };
    expect(await node.apiKeys.create(owner(), { name: 'x', access: own }, ADMINISTRATOR, BY)).toMatchObject({
      kind: 'refused',
    });
  });

  test('S-174 may less from the next use on when it may less, and more again when it may more', async () => {
    const key = await makeKey(node, owner(), { access: { [NOTES]: ['read', 'write'] } });
    const change = (access: Record<string, string[]>) => node.serviceAccounts.change(id, { access }, BY);
    // Each of its own, so that nothing is remembered.
    const seen = async () => {
      await node.apiKeyCheck.settle(hash('sha256', key.value, 'hex'));
      return node.apiKeyCheck.check(key.value, {});
    };
    await change({ [NOTES]: ['read'] });
    expect(await seen()).toMatchObject({ apiKey: { access: { [NOTES]: ['read'] } } });
    await change({});
    expect(await seen()).toEqual({ kind: 'refused', cause: 'resource' });
    await change({ [NOTES]: ['read', 'write'] });
    expect(await seen()).toMatchObject({ apiKey: { access: { [NOTES]: ['read', 'write'] } } });
  });

  test('do nothing while it is disabled, and are revoked when it is deleted', async () => {
    const key = await makeKey(node, owner());
    // These read anew what the test just changed: another process that never asked before.
    const cause = async () => {
      const outcome = await other.apiKeyCheck.check(key.value, {});
      await other.apiKeyCheck.settle(hash('sha256', key.value, 'hex'));
      return outcome.kind === 'refused' ? outcome.cause : outcome.kind;
    };
    expect(await node.serviceAccounts.disable(id, BY)).toBe('done');
    expect(await node.serviceAccounts.disable(id, BY)).toBe('unchanged');
    expect(await cause()).toBe('owner_disabled');
    expect(await node.apiKeys.create(owner(), { name: 'x', access: { [NOTES]: [] } }, ADMINISTRATOR, BY)).toEqual({
      kind: 'owner_not_found',
    });
    expect(await node.serviceAccounts.enable(id, BY)).toBe('done');
    expect(await cause()).toBe('valid');
    expect(await node.serviceAccounts.delete(id, BY)).toBe('done');
    expect(await cause()).toBe('revoked');
    expect(await node.serviceAccounts.delete(id, BY)).toBe('not_found');
    expect(await node.serviceAccounts.enable(id, BY)).toBe('not_found');
    expect(await node.serviceAccounts.change(id, { name: 'x' }, BY)).toEqual({ kind: 'not_found' });
  });

  test('are managed by the service account itself with a key that may that', async () => {
    const key = await makeKey(node, owner());
    expect((await node.apiKeys.list({ limit: 5 }, actingFor(id))).apiKeys.map((each) => each.id)).toEqual([key.id]);
    expect(await node.apiKeys.revoke(key.id, actingFor(id), BY)).toBe('done');
  });
});

test('a client that speaks for one learns what it may now, by a statement for all of one moment', async () => {
  expect(await node.serviceAccounts.findActing(id)).toEqual({
    id,
    name: 'Robot',
    isActive: true,
    access: { [NOTES]: ['read', 'write'] },
  });
  await node.serviceAccounts.disable(id, BY);
  expect(await node.serviceAccounts.findActing(id)).toMatchObject({ isActive: false });
  expect(await node.serviceAccounts.findActing('nonsense')).toBeUndefined();
});

test('S-175 every change is recorded, with what it may afterwards', async () => {
  await node.serviceAccounts.change(id, { name: 'Arm', access: { [NOTES]: ['read'] } }, BY);
  await node.serviceAccounts.disable(id, BY);
  await node.serviceAccounts.enable(id, BY);
  await node.serviceAccounts.delete(id, BY);
  const rows = await node.database.prisma.auditEvent.findMany({
    where: { details: { path: ['serviceAccount'], equals: id } },
    orderBy: { id: 'asc' },
  });
  expect(rows.map(({ type, details }) => [type, details])).toEqual([
    ['service_account.created', expect.objectContaining({ access: { [NOTES]: ['read', 'write'] } })],
    [
      'service_account.changed',
      expect.objectContaining({ changed: ['access', 'name'], access: { [NOTES]: ['read'] } }),
    ],
    ['service_account.disabled', expect.objectContaining({ name: 'Arm' })],
    ['service_account.enabled', expect.objectContaining({ name: 'Arm' })],
    ['service_account.deleted', expect.objectContaining({ apiKeysRevoked: 0 })],
  ]);
});
