import { expect, test } from '@jest/globals';
import { createPerson, recordedAbout } from '../accounts/node.ts';
import { ADMINISTRATOR, actingFor, BY, type KeyNode, makeKey, NOTES, useKeyNodes } from './key-nodes.ts';

let node: KeyNode;
let other: KeyNode;
useKeyNodes(
  (nodes) => {
    node = nodes.node;
    other = nodes.otherNode;
  },
  { perOwner: 3 },
);

const input = { name: 'Key', access: { [NOTES]: ['read'] } };

test('of many at once on two nodes as many get a key as the limit allows, and each owner has a limit of their own', async () => {
  const [alice, bob] = [(await createPerson(node)).id, (await createPerson(node)).id];
  const create = (id: string, index: number) =>
    [node, other][index % 2]!.apiKeys.create({ kind: 'user', id }, input, actingFor(id), BY);
  const outcomes = await Promise.all(Array.from({ length: 8 }, (_, index) => create(index < 6 ? alice : bob, index)));
  const kinds = (from: number, to: number) =>
    outcomes
      .slice(from, to)
      .map(({ kind }) => kind)
      .toSorted();
  expect(kinds(0, 6)).toEqual(['created', 'created', 'created', 'limit_reached', 'limit_reached', 'limit_reached']);
  expect(kinds(6, 8)).toEqual(['created', 'created']);
  expect(outcomes.find(({ kind }) => kind === 'limit_reached')).toEqual({ kind: 'limit_reached', limit: 3 });
  const { apiKeys } = await node.apiKeys.list({ limit: 10 }, actingFor(alice));
  expect(apiKeys).toHaveLength(3);
  // What ended or has a successor is not counted.
  await node.apiKeys.revoke(apiKeys[0]!.id, actingFor(alice), BY);
  expect(await create(alice, 0)).toMatchObject({ kind: 'created' });
  expect(await node.apiKeys.rotate(apiKeys[1]!.id, {}, actingFor(alice), BY)).toMatchObject({ kind: 'rotated' });
  expect(await create(alice, 1)).toMatchObject({ kind: 'limit_reached' });
});

test('of two rotations of one key at the same moment one makes a key, and the other learns which', async () => {
  const { id: alice } = await createPerson(node);
  const key = await makeKey(node, { kind: 'user', id: alice });
  const outcomes = await Promise.all(
    [node, other, node, other].map(({ apiKeys }) => apiKeys.rotate(key.id, {}, actingFor(alice), BY)),
  );
  const [won, ...lost] = outcomes.toSorted((a, b) => b.kind.localeCompare(a.kind));
  if (won?.kind !== 'rotated') throw new Error(JSON.stringify(outcomes));
  expect(lost).toEqual(Array(3).fill({ kind: 'already_rotated', rotatedTo: won.apiKey.id }));
  const { apiKeys } = await node.apiKeys.list({ limit: 10 }, actingFor(alice));
  expect(apiKeys.map(({ id }) => id)).toEqual([won.apiKey.id, key.id]);
});

test('rotating again and again gives nobody any number of working keys: with those that were replaced, twice the limit', async () => {
  const { id: alice } = await createPerson(node);
  let { id } = await makeKey(node, { kind: 'user', id: alice });
  for (let made = 1; made < 6; made++) {
    const outcome = await node.apiKeys.rotate(id, {}, actingFor(alice), BY);
    if (outcome.kind !== 'rotated') throw new Error(JSON.stringify(outcome));
    id = outcome.apiKey.id;
  }
  expect(await node.apiKeys.rotate(id, {}, actingFor(alice), BY)).toEqual({ kind: 'limit_reached', limit: 6 });
  // What leaves nothing behind goes on.
  const last = await other.apiKeys.rotate(id, { overlapSeconds: 0 }, actingFor(alice), BY);
  if (last.kind !== 'rotated') throw new Error(JSON.stringify(last));
  const { apiKeys } = await node.apiKeys.list({ limit: 20 }, actingFor(alice));
  expect(apiKeys.filter(({ status }) => status === 'active')).toHaveLength(6);
  await node.apiKeys.revoke(apiKeys.at(-1)!.id, actingFor(alice), BY);
  expect(await node.apiKeys.rotate(last.apiKey.id, {}, actingFor(alice), BY)).toMatchObject({ kind: 'rotated' });
});

test('of a person who is deleted while keys are made and rotated no key is left unrevoked, nor what they wrote of it', async () => {
  for (let round = 0; round < 10; round++) {
    const owner = { kind: 'user', id: (await createPerson(node)).id } as const;
    const key = await makeKey(node, owner);
    await Promise.all([
      node.apiKeys.create(owner, input, actingFor(owner.id), BY),
      node.apiKeys.rotate(key.id, {}, actingFor(owner.id), BY),
      other.accounts.delete(owner.id, BY),
      other.apiKeys.create(owner, input, ADMINISTRATOR, BY),
    ]);
    const { apiKeys } = await node.apiKeys.list({ owner, limit: 10 }, ADMINISTRATOR);
    const left = apiKeys.map(({ status, name }) => ({ status, name }));
    expect(left).toEqual(apiKeys.map(() => ({ status: 'revoked', name: '' })));
  }
});

test('of a service account that is deleted while keys are made and rotated no key is left unrevoked', async () => {
  for (let round = 0; round < 5; round++) {
    const made = await node.serviceAccounts.create({ name: 'Nightly', access: { [NOTES]: ['read'] } }, BY);
    if (made.kind !== 'created') throw new Error(JSON.stringify(made));
    const owner = { kind: 'service_account', id: made.serviceAccount.id } as const;
    const key = await makeKey(node, owner, {}, ADMINISTRATOR);
    await Promise.all([
      node.apiKeys.create(owner, input, ADMINISTRATOR, BY),
      other.serviceAccounts.delete(owner.id, BY),
      node.apiKeys.rotate(key.id, {}, ADMINISTRATOR, BY),
      other.apiKeys.create(owner, input, ADMINISTRATOR, BY),
    ]);
    const { apiKeys } = await node.apiKeys.list({ owner, limit: 10 }, ADMINISTRATOR);
    expect(apiKeys.map(({ status }) => status)).toEqual(apiKeys.map(() => 'revoked'));
  }
});

test('of two revocations at the same moment one is recorded', async () => {
  const { id: alice } = await createPerson(node);
  const key = await makeKey(node, { kind: 'user', id: alice });
  const outcomes = await Promise.all([
    node.apiKeys.revoke(key.id, actingFor(alice), BY),
    other.apiKeys.revoke(key.id, ADMINISTRATOR, BY),
    node.apiKeys.revokeByValue(key.value, { reason: 'found' }, BY),
  ]);
  expect(outcomes.toSorted()).toEqual(['done', 'unchanged', 'unchanged']);
  const recorded = await recordedAbout(node.database, alice);
  expect(recorded.filter(({ type }) => type === 'api_key.revoked')).toHaveLength(1);
});

test('a rotation and a revocation at the same moment leave no working key that nobody chose: at most the new one lives', async () => {
  for (let round = 0; round < 5; round++) {
    const { id: alice } = await createPerson(node);
    const key = await makeKey(node, { kind: 'user', id: alice });
    const [rotated, revoked] = await Promise.all([
      node.apiKeys.rotate(key.id, {}, actingFor(alice), BY),
      other.apiKeys.revoke(key.id, actingFor(alice), BY),
    ]);
    expect(revoked).toBe('done');
    expect(['rotated', 'ended']).toContain(rotated.kind);
    expect(await node.apiKeyCheck.check(key.value, {})).toEqual({ kind: 'refused', cause: 'revoked' });
    const { apiKeys } = await node.apiKeys.list({ limit: 10 }, actingFor(alice));
    expect(apiKeys.filter(({ status }) => status === 'active')).toHaveLength(rotated.kind === 'rotated' ? 1 : 0);
  }
});
