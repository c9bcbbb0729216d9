import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Database, openDatabase } from '../../src/platform/database/database.ts';
import { createPerson } from '../accounts/node.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { findProgram } from '../support/deployed-service.ts';
import { type Pgbouncer, startPgbouncer } from '../support/pgbouncer.ts';
import { actingFor, BY, type KeyNode, makeKey, registerNotes, startKeyNode } from './key-nodes.ts';

const program = findProgram('pgbouncer');
/** On a machine that was prepared for it nothing may be left out. */
const behindPgbouncer = program || process.env.CI === 'true' ? describe : describe.skip;

behindPgbouncer('behind PgBouncer in transaction mode, where each transaction gets another connection', () => {
  let direct: TestDatabase;
  let pgbouncer: Pgbouncer;
  let database: Database;
  let node: KeyNode;

  beforeAll(async () => {
    direct = await openTestDatabase();
    pgbouncer = await startPgbouncer(program!, direct.url!);
    database = await openDatabase({
      kind: 'postgresql',
      url: pgbouncer.through(direct.url!),
      poolSize: 8,
      pooler: {},
    });
    node = startKeyNode(database);
    await registerNotes(node);
  });
  afterAll(async () => {
    await node?.close();
    await database?.close();
    await pgbouncer?.close();
    await direct?.close();
  });

  test('many owners at once make, list, check and end their keys, and nobody sees another’s or what nobody said for whom', async () => {
    const people = await Promise.all(Array.from({ length: 6 }, () => createPerson(node)));
    await Promise.all(
      people.map(async ({ id }) => {
        const mine = actingFor(id);
        const keys = [await makeKey(node, { kind: 'user', id }), await makeKey(node, { kind: 'user', id })];
        for (const { value } of keys) expect(await node.apiKeyCheck.check(value, {})).toMatchObject({ kind: 'valid' });
        const { apiKeys } = await node.apiKeys.list({ limit: 10 }, mine);
        expect(apiKeys.map((each) => each.id)).toEqual(keys.map((each) => each.id).toReversed());
        expect(await database.prisma.apiKey.count()).toBe(0);
        expect(await node.apiKeys.revoke(keys[0]!.id, mine, BY)).toBe('done');
        expect(await node.apiKeyCheck.check(keys[0]!.value, {})).toEqual({ kind: 'refused', cause: 'revoked' });
        expect(await node.apiKeyCheck.check(keys[1]!.value, {})).toMatchObject({ apiKey: { subject: id } });
      }),
    );
    await node.lastUse.flush(true);
    const { apiKeys } = await node.apiKeys.list({ limit: 1 }, actingFor(people[0]!.id));
    expect(apiKeys[0]!.lastUsedAt).toBeInstanceOf(Date);
  });
});
