import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Acting, Owner } from '../../src/api-keys/api-key.ts';
import { generateApiKeyValue } from '../../src/api-keys/api-key-value.ts';
import { createApiKeysCleanUp } from '../../src/api-keys/upkeep.store.ts';
import { workAs } from '../../src/platform/database/as-subject.ts';
import { createPerson, recordedAbout } from '../accounts/node.ts';
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
useKeyNodes((nodes) => {
  node = nodes.node;
});

let alice: string;
let mail: string;
let bob: string;
beforeEach(async () => {
  ({ id: alice, email: mail } = await createPerson(node));
  bob = (await createPerson(node)).id;
});

const DAY = 86_400_000;
const owner = () => ({ kind: 'user', id: alice }) as const;
const make = (input: object = {}) => makeKey(node, owner(), input);
const create = (input: object, acting = actingFor(alice), of = owner()) =>
  node.apiKeys.create(of, { name: 'Key', access: { [NOTES]: ['read'] }, ...input } as never, acting, BY);
const subjects = async () =>
  (await node.mailbox.list()).filter(({ recipient }) => recipient === mail).map(({ subject }) => subject);

async function ownerOf(kind: string): Promise<Owner> {
  if (kind === 'system') return { kind };
  const made = await node.serviceAccounts.create({ name: 'Nightly', access: { [NOTES]: ['read'] } }, BY);
  if (made.kind !== 'created') throw new Error(made.kind);
  return { kind: 'service_account', id: made.serviceAccount.id };
}

async function makeAdministrator(): Promise<string> {
  return (await createPerson(node, { isAdministrator: true })).id;
}

describe('making a key', () => {
  test('answers with the value once; what is kept and shown afterwards has no value and no digest', async () => {
    const outcome = await create({
      name: 'Backup',
      description: 'nightly',
      allowedAddresses: ['192.0.2.7', '::ffff:10.1.2.3'],
    });
    if (outcome.kind !== 'created') throw new Error(JSON.stringify(outcome));
    const value = outcome.value.reveal();
    expect(JSON.stringify(outcome)).not.toContain(value.slice(3));
    expect(outcome.apiKey).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{14}7/),
      owner: { kind: 'user', id: alice },
      name: 'Backup',
      description: 'nightly',
      prefix: 'sk-',
      hint: value.slice(-4),
      access: { [NOTES]: ['read'] },
      allowedAddresses: ['192.0.2.7/32', '10.1.2.3/32'],
      status: 'active',
      createdAt: expect.any(Date),
      createdBy: 'test',
      expiresAt: expect.any(Date),
    });
    expect(await node.apiKeys.find(outcome.apiKey.id, actingFor(alice))).toEqual(outcome.apiKey);
    expect(JSON.stringify(await node.apiKeys.list({ limit: 10 }, actingFor(alice)))).not.toContain(value.slice(3, 30));
  });

  test('S-175 is recorded with its rights and without its value, and the owner is told', async () => {
    const key = await make();
    const recorded = await recordedAbout(node.database, alice);
    expect(recorded.at(-1)).toEqual({
      type: 'api_key.created',
      details: { apiKey: key.id, name: 'Key', hint: key.hint, owner: 'user', access: { [NOTES]: ['read'] } },
    });
    expect(JSON.stringify([recorded, node.lines])).not.toContain(key.value.slice(3));
    expect(await subjects()).toEqual(['An API key was made for your Daemun account']);
    expect(JSON.stringify(await node.mailbox.list())).not.toContain(key.value.slice(3));
  });

  test('ends after ninety days unless something else was said', async () => {
    const { expiresAt } = await make();
    expect(Math.round((expiresAt!.getTime() - Date.now()) / DAY)).toBe(90);
  });

  test('may end whenever its owner says within a year, and never where an administrator has a hand in it', async () => {
    const at = (days: number) => new Date(Date.now() + days * DAY).toISOString();
    expect(await make({ expiresAt: at(365) })).toMatchObject({ status: 'active' });
    for (const expiresAt of [at(400), null, at(-1)]) {
      expect(await create({ expiresAt })).toMatchObject({ kind: 'refused', problems: [{ field: 'expiresAt' }] });
    }
    const never = await create({ expiresAt: null }, ADMINISTRATOR);
    expect(never).toMatchObject({ kind: 'created', apiKey: { owner: { id: alice } } });
    expect(never.kind === 'created' && never.apiKey.expiresAt).toBeUndefined();
    const administrator = await makeAdministrator();
    const own = { kind: 'user', id: administrator } as const;
    expect(await create({ expiresAt: null }, actingFor(administrator), own)).toMatchObject({ kind: 'created' });
    // Nor by what an administrator gave away, unless it may act as one.
    const byTheirKey = { ...actingFor(administrator), within: { [NOTES]: ['read'] } };
    expect(await create({ expiresAt: null }, byTheirKey, own)).toMatchObject({ kind: 'refused' });
    const byAdministrativeKey = { ...ADMINISTRATOR, within: { [NOTES]: ['read'] } };
    expect(await create({ expiresAt: null }, byAdministrativeKey, own)).toMatchObject({ kind: 'created' });
  });

  test.each<[string, object, string]>([
    ['no name', { name: '' }, 'name'],
    ['a name that looks like another', { name: 'Key\u202e' }, 'name'],
    ['a name that is no text', { name: ['Key'] }, 'name'],
    ['no rights at all', { access: {} }, 'access'],
    ['rights that are no lists', { access: { [NOTES]: 'read' } }, `access.${NOTES}`],
    [
      'a resource server that is none',
      { access: { 'https://other.example.com/': [] } },
      'access.https://other.example.com/',
    ],
    ['a scope that is none', { access: { [NOTES]: ['read', 'admin'] } }, `access.${NOTES}`],
    ['a scope of administrators', { access: { [OWN_API]: ['users:read'] } }, `access.${OWN_API}`],
    ['a property of every object', { access: { constructor: ['read'] } }, 'access.constructor'],
    ['an address that is none', { allowedAddresses: ['10.0.0.0/33'] }, 'allowedAddresses.0'],
    ['an address written as a trick', { allowedAddresses: ['127.1'] }, 'allowedAddresses.0'],
    ['a time without its offset', { expiresAt: '2027-01-01T00:00:00' }, 'expiresAt'],
    ['a time that is beyond all years by its offset', { expiresAt: '9999-12-31T23:59:59-23:59' }, 'expiresAt'],
    ['a member that is unknown', { owner: 'somebody' }, 'owner'],
    ['an id of one’s own', { id: '0' }, 'id'],
  ])('S-172 is refused with the field: %s', async (_what, input, field) => {
    expect(await create(input)).toMatchObject({ kind: 'refused', problems: [expect.objectContaining({ field })] });
  });

  test('takes a resource server by another spelling and keeps the registered one', async () => {
    expect(await make({ access: { 'https://NOTES.example.com': ['write', 'read', 'read'] } })).toMatchObject({
      access: { [NOTES]: ['read', 'write'] },
    });
  });

  test('S-174 administrators give their keys what only they may; at use that is looked at again', async () => {
    const administrator = await makeAdministrator();
    const own = { kind: 'user', id: administrator } as const;
    const key = await makeKey(node, own, { access: { [OWN_API]: ['users:read', 'profile:read'] } });
    expect(await node.apiKeyCheck.check(key.value, {})).toMatchObject({
      apiKey: { access: { [OWN_API]: ['profile:read', 'users:read'] }, isAdministrator: true },
    });
    await node.database.pool.query('UPDATE users SET is_administrator = false WHERE id = $1', [administrator]);
    const later = startKeyNode(node.database);
    expect(await later.apiKeyCheck.check(key.value, {})).toMatchObject({
      apiKey: { access: { [OWN_API]: ['profile:read'] }, isAdministrator: false },
    });
    await later.close();
  });

  test('for somebody else is as if there were nobody, and so it is for a person who is disabled or was never there', async () => {
    expect(await create({}, actingFor(bob))).toEqual({ kind: 'owner_not_found' });
    expect(await create({}, actingFor(bob), { kind: 'system' } as never)).toEqual({ kind: 'owner_not_found' });
    const nobody = { kind: 'user', id: '01890a5d-ac96-774b-bcce-b302099a8057' } as const;
    expect(await create({}, ADMINISTRATOR, nobody)).toEqual({ kind: 'owner_not_found' });
    expect(await create({}, ADMINISTRATOR, { kind: 'user', id: "' OR 1=1" })).toEqual({ kind: 'owner_not_found' });
    await node.accounts.disable(alice, BY);
    expect(await create({})).toEqual({ kind: 'owner_not_found' });
  });

  test('by a key gives no more than that key may itself', async () => {
    const within: Acting = { as: 'owner', subject: alice, within: { [NOTES]: ['read'] } };
    expect(await create({}, within)).toMatchObject({ kind: 'created' });
    expect(await create({ access: { [NOTES]: ['write'] } }, within)).toMatchObject({ kind: 'refused' });
    expect(await create({ access: { [OWN_API]: ['profile:read'] } }, within)).toMatchObject({ kind: 'refused' });
    const stronger = await make({ access: { [NOTES]: ['write'] } });
    expect(await node.apiKeys.rotate(stronger.id, {}, within, BY)).toMatchObject({ kind: 'refused' });
    expect(await node.apiKeys.change(stronger.id, { allowedAddresses: [] }, within, BY)).toMatchObject({
      kind: 'refused',
    });
  });

  test('the installation’s own keys are made by administrators and listed apart', async () => {
    const key = await makeKey(node, { kind: 'system' }, { access: { [OWN_API]: ['users:read'] } });
    expect(key).toMatchObject({ owner: { kind: 'system' } });
    expect(await node.apiKeyCheck.check(key.value, {})).toMatchObject({ apiKey: { subject: 'urn:daemun:system' } });
    const listed = await node.apiKeys.list({ owner: { kind: 'system' }, limit: 10 }, ADMINISTRATOR);
    expect(listed.apiKeys.map(({ id }) => id)).toEqual([key.id]);
    expect((await node.apiKeys.list({ owner: { kind: 'system' }, limit: 10 }, actingFor(alice))).apiKeys).toEqual([]);
  });
});

describe('a list', () => {
  test('has one’s own, newest first, in pages', async () => {
    const made = [(await make()).id, (await make()).id, (await make()).id].toReversed();
    await makeKey(node, { kind: 'user', id: bob });
    const first = await node.apiKeys.list({ limit: 2 }, actingFor(alice));
    expect([first.apiKeys.map(({ id }) => id), first.next]).toEqual([made.slice(0, 2), made[1]]);
    const second = await node.apiKeys.list({ limit: 2, after: first.next! }, actingFor(alice));
    expect([second.apiKeys.map(({ id }) => id), second.next]).toEqual([made.slice(2), undefined]);
    expect((await node.apiKeys.list({ limit: 2, after: 'nonsense' }, actingFor(alice))).apiKeys).toEqual([]);
  });

  test('of others is for administrators', async () => {
    await make();
    const ofAlice = { owner: owner(), limit: 10 };
    expect((await node.apiKeys.list(ofAlice, ADMINISTRATOR)).apiKeys).toHaveLength(1);
    expect((await node.apiKeys.list(ofAlice, actingFor(bob))).apiKeys).toEqual([]);
  });
});

test('S-173 the id of somebody else’s key is as unknown as one that never was, and nothing happens to the key', async () => {
  const key = await make();
  for (const id of [key.id, '01890a5d-ac96-774b-bcce-b302099a8057', 'nonsense', "' OR true --"]) {
    expect(await node.apiKeys.find(id, actingFor(bob))).toBeUndefined();
    expect(await node.apiKeys.change(id, { name: 'x' }, actingFor(bob), BY)).toEqual({ kind: 'not_found' });
    expect(await node.apiKeys.rotate(id, {}, actingFor(bob), BY)).toEqual({ kind: 'not_found' });
    expect(await node.apiKeys.revoke(id, actingFor(bob), BY)).toBe('not_found');
  }
  expect(await node.apiKeys.find(key.id, actingFor(alice))).toMatchObject({ name: 'Key', status: 'active' });
});

describe('changing a key', () => {
  test('changes what is given and leaves the rest, from the next use on', async () => {
    const key = await make({ description: 'old', access: { [NOTES]: ['read', 'write'] } });
    expect((await node.apiKeyCheck.check(key.value, {})).kind).toBe('valid');
    const outcome = await node.apiKeys.change(
      key.id,
      { name: 'New', description: null, access: { [NOTES]: ['read'] }, allowedAddresses: ['192.0.2.0/24'] },
      actingFor(alice),
      BY,
    );
    expect(outcome).toMatchObject({ kind: 'changed', apiKey: { name: 'New', expiresAt: key.expiresAt } });
    expect(outcome.kind === 'changed' && outcome.apiKey.description).toBeUndefined();
    expect(await node.apiKeyCheck.check(key.value, {})).toEqual({ kind: 'refused', cause: 'address' });
    expect(await node.apiKeyCheck.check(key.value, { address: '192.0.2.9' })).toMatchObject({
      apiKey: { access: { [NOTES]: ['read'] } },
    });
    expect((await recordedAbout(node.database, alice)).at(-1)).toMatchObject({
      type: 'api_key.changed',
      details: { changed: ['access', 'allowedAddresses', 'description', 'name'] },
    });
  });

  test('goes no further than its owner may, and a key that ended stays as it was', async () => {
    const key = await make();
    const change = (input: object) => node.apiKeys.change(key.id, input, actingFor(alice), BY);
    expect(await change({ access: { [NOTES]: ['read', 'write'] } })).toMatchObject({ kind: 'changed' });
    expect(await change({ access: { [NOTES]: ['admin'] } })).toMatchObject({ kind: 'refused' });
    expect(await change({ expiresAt: null })).toMatchObject({ kind: 'refused' });
    expect(await change({ digest: 'x' })).toMatchObject({ kind: 'refused', problems: [{ field: 'digest' }] });
    await node.apiKeys.revoke(key.id, actingFor(alice), BY);
    expect(await change({ name: 'x' })).toEqual({ kind: 'ended' });
  });
});

describe('rotation', () => {
  test('makes a new value with the same rights; the one before works on for the overlap and is no longer counted', async () => {
    const key = await make({ description: 'd', allowedAddresses: ['10.0.0.0/8'] });
    const outcome = await node.apiKeys.rotate(key.id, { overlapSeconds: 60 }, actingFor(alice), BY);
    if (outcome.kind !== 'rotated') throw new Error(JSON.stringify(outcome));
    const { apiKey, replaced } = outcome;
    expect(apiKey).toMatchObject({
      name: 'Key',
      description: 'd',
      access: key.access,
      replaces: key.id,
      status: 'active',
    });
    expect(Math.round((apiKey.expiresAt!.getTime() - Date.now()) / DAY)).toBe(90);
    expect(replaced).toMatchObject({ id: key.id, rotatedTo: apiKey.id, status: 'active' });
    expect(replaced.expiresAt!.getTime()).toBeLessThan(Date.now() + 10 * 60_000);
    for (const value of [key.value, outcome.value.reveal()]) {
      expect((await node.apiKeyCheck.check(value, { address: '10.1.1.1' })).kind).toBe('valid');
    }
    expect(await subjects()).toContain('An API key of your Daemun account was replaced');
    expect((await recordedAbout(node.database, alice)).at(-1)).toMatchObject({
      type: 'api_key.rotated',
      details: { apiKey: apiKey.id, replaces: key.id, overlapSeconds: 60 },
    });
  });

  test('without an overlap ends the one before at once', async () => {
    const key = await make();
    expect((await node.apiKeyCheck.check(key.value, {})).kind).toBe('valid');
    expect(await node.apiKeys.rotate(key.id, { overlapSeconds: 0 }, actingFor(alice), BY)).toMatchObject({
      kind: 'rotated',
    });
    expect(await node.apiKeyCheck.check(key.value, {})).toEqual({ kind: 'refused', cause: 'expired' });
  });

  test('lengthens no life: neither that of the one before nor, beyond what people may give, that of the new one', async () => {
    const soon = new Date(Date.now() + 60_000).toISOString();
    const short = await make({ expiresAt: soon });
    const outcome = await node.apiKeys.rotate(short.id, { overlapSeconds: 86_400 }, actingFor(alice), BY);
    expect(outcome).toMatchObject({ kind: 'rotated', replaced: { expiresAt: new Date(soon) } });
    const never = await makeKey(node, owner(), { expiresAt: null }, ADMINISTRATOR);
    const rotated = await node.apiKeys.rotate(never.id, {}, actingFor(alice), BY);
    expect(rotated.kind === 'rotated' && rotated.apiKey.expiresAt).toBeInstanceOf(Date);
  });

  test('leaves nothing to lengthen: a key that was replaced may end earlier than its overlap, and never later', async () => {
    const key = await make();
    const rotated = await node.apiKeys.rotate(key.id, { overlapSeconds: 3600 }, actingFor(alice), BY);
    if (rotated.kind !== 'rotated') throw new Error(JSON.stringify(rotated));
    const change = (expiresAt: string | null, acting: Acting = actingFor(alice)) =>
      node.apiKeys.change(key.id, { expiresAt }, acting, BY);
    const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString();
    for (const [later, acting] of [[inHours(2)], [inHours(2), ADMINISTRATOR], [null, ADMINISTRATOR]] as const) {
      expect(await change(later, acting)).toMatchObject({ kind: 'refused', problems: [{ field: 'expiresAt' }] });
    }
    expect(await change(inHours(0.5))).toMatchObject({ kind: 'changed' });
  });

  test('happens once, to a key that works, with an overlap of at most thirty days', async () => {
    const key = await make();
    const rotate = (input: object = {}) => node.apiKeys.rotate(key.id, input, actingFor(alice), BY);
    for (const overlapSeconds of [-1, 1.5, 30 * 86_400 + 1, '60']) {
      expect(await rotate({ overlapSeconds })).toMatchObject({ problems: [{ field: 'overlapSeconds' }] });
    }
    const first = await rotate();
    if (first.kind !== 'rotated') throw new Error(JSON.stringify(first));
    expect(await rotate()).toEqual({ kind: 'already_rotated', rotatedTo: first.apiKey.id });
    await node.apiKeys.revoke(first.apiKey.id, actingFor(alice), BY);
    expect(await node.apiKeys.rotate(first.apiKey.id, {}, actingFor(alice), BY)).toEqual({ kind: 'ended' });
  });
});

describe('revoking', () => {
  test('is soft, recorded once, and done again it changes nothing', async () => {
    const key = await make();
    const revoke = () => node.apiKeys.revoke(key.id, actingFor(alice), BY, 'lost');
    expect([await revoke(), await revoke()]).toEqual(['done', 'unchanged']);
    expect(await node.apiKeys.find(key.id, actingFor(alice))).toMatchObject({
      status: 'revoked',
      revokedAt: expect.any(Date),
      revokedBy: 'test',
      revocationReason: 'lost',
    });
    const recorded = (await recordedAbout(node.database, alice)).filter(({ type }) => type === 'api_key.revoked');
    expect(recorded).toEqual([{ type: 'api_key.revoked', details: expect.objectContaining({ reason: 'lost' }) }]);
    expect(await subjects()).toEqual(['An API key was made for your Daemun account']);
  });

  test('S-063 that the database did not take is never answered as done', async () => {
    const key = await make();
    const prisma = { $transaction: () => Promise.reject(new Error('gone')) };
    const { apiKeys } = startKeyNode({ ...node.database, prisma } as never);
    await expect(apiKeys.revoke(key.id, actingFor(alice), BY)).rejects.toThrow('gone');
    await expect(apiKeys.revokeByValue(key.value, { reason: 'found' }, BY)).rejects.toThrow('gone');
    expect((await node.apiKeyCheck.check(key.value, {})).kind).toBe('valid');
  });

  test('by somebody else is told to the owner', async () => {
    const key = await make();
    await node.apiKeys.revoke(key.id, ADMINISTRATOR, BY);
    expect(await subjects()).toContain('An API key of your Daemun account was revoked');
  });

  test('by a value that is nobody’s, or was revoked, needs no transaction: strangers may send any number of them', async () => {
    const key = await make();
    await node.apiKeys.revoke(key.id, actingFor(alice), BY);
    const prisma = { $transaction: () => Promise.reject(new Error('a transaction')) };
    const { apiKeys } = startKeyNode({ ...node.database, prisma } as never);
    const unknown = Array.from({ length: 100 }, () => generateApiKeyValue('sk-').reveal());
    const outcomes = [key.value, ...unknown].map((value) => apiKeys.revokeByValue(value, { reason: 'found' }, BY));
    expect(await Promise.all(outcomes)).toEqual(['unchanged', ...unknown.map(() => 'unknown')]);
    const living = await make();
    await expect(apiKeys.revokeByValue(living.value, { reason: 'found' }, BY)).rejects.toThrow('a transaction');
  });

  test('by its value needs nobody’s rights: whoever found a key ends it, and its owner is told where', async () => {
    const key = await make();
    const found = { reason: 'found', foundAt: 'https://git.example.com/x' };
    expect(await node.apiKeys.revokeByValue(key.value, found, {})).toBe('done');
    expect(await node.apiKeys.revokeByValue(key.value, found, {})).toBe('unchanged');
    expect(await node.apiKeyCheck.check(key.value, {})).toEqual({ kind: 'refused', cause: 'revoked' });
    expect(await subjects()).toContain('An API key of your Daemun account was found elsewhere and revoked');
    for (const value of ['sk-nonsense', `${key.value}0`, generateApiKeyValue('sk-').reveal()]) {
      expect(await node.apiKeys.revokeByValue(value, found, {})).toBe('unknown');
    }
  });

  test.each(['service_account', 'system'])(
    'of a %s: administrators are told, who gave it, and nobody else',
    async (kind) => {
      await makeAdministrator();
      const key = await makeKey(node, await ownerOf(kind));
      expect(await node.apiKeys.revokeByValue(key.value, { reason: 'found' }, {})).toBe('done');
      const told = (await node.mailbox.list()).filter(({ text }) => text.includes(`…${key.value.slice(-4)})`));
      expect(told.length).toBeGreaterThan(0);
      for (const { recipient, subject } of told) {
        expect(subject).toBe('An API key of a service at Daemun was found elsewhere and revoked');
        expect(recipient).not.toBe(mail);
      }
    },
  );
});

test('when a person is deleted their keys are revoked for good, and nothing that they wrote of them is kept', async () => {
  const key = await make({ description: 'of my cat', allowedAddresses: ['192.0.2.7'] });
  const ofBob = await makeKey(node, { kind: 'user', id: bob });
  expect(await node.accounts.delete(alice, BY)).toBe('done');
  const kept = await node.apiKeys.find(key.id, ADMINISTRATOR);
  expect(kept).toMatchObject({ name: '', status: 'revoked', revocationReason: 'owner deleted', allowedAddresses: [] });
  expect(kept!.description).toBeUndefined();
  expect(await node.apiKeys.find(ofBob.id, actingFor(bob))).toMatchObject({ name: 'Key', status: 'active' });
});

test('keys that ended 400 days ago are removed, and no others', async () => {
  const keys = [await make(), await make(), await make(), await make()];
  const age = (id: string, column: string, days: number) =>
    workAs(node.database.pool, { role: 'caretaker' }, (client) =>
      client.query(`UPDATE api_keys SET ${column} = now() - $2 * interval '1 day' WHERE id = $1`, [id, days]),
    );
  await age(keys[0]!.id, 'revoked_at', 401);
  await age(keys[1]!.id, 'expires_at', 401);
  await age(keys[2]!.id, 'revoked_at', 399);
  expect(await createApiKeysCleanUp(node.database)()).toBe(false);
  const { apiKeys } = await node.apiKeys.list({ limit: 10 }, actingFor(alice));
  expect(apiKeys.map(({ id }) => id)).toEqual([keys[3]!.id, keys[2]!.id]);
});
