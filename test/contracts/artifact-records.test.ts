import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test } from '@jest/globals';
import type { AuditRow } from '../../src/audit/audit.ts';
import { digestOf } from '../../src/provider/artifact-identity.ts';
import { recordOf } from '../../src/provider/artifact-record.ts';
import { createArtifactWrites } from '../../src/provider/artifact-writes.ts';
import { newValue, payloadFor, storeCode, storeGrant } from './artifacts.ts';
import { useStores } from './stores.ts';

const stores = useStores();
let write: ReturnType<typeof createArtifactWrites>;
let writeElsewhere: ReturnType<typeof createArtifactWrites>;
beforeAll(() => {
  write = createArtifactWrites({ pool: stores.database.pool, refreshGrace: 0, isFlushed: true });
  writeElsewhere = createArtifactWrites({ pool: stores.database.pool, refreshGrace: 0, isFlushed: true });
});

const rowOf = (clientId: string): AuditRow => ({
  id: randomUUID(),
  age: 0,
  type: 'token.issued',
  client_id: clientId,
  address: '192.0.2.1',
  details: { kind: 'access_token' },
});

/** What a code exchange writes. */
function exchange(code: string, grantId: string, clientId: string) {
  const token = newValue();
  return {
    consume: { id: digestOf('AuthorizationCode', code), successor: null },
    save: [recordOf('AccessToken', token, payloadFor('AccessToken', token, { grantId }), 600)],
    record: rowOf(clientId),
  };
}

async function recordsOf(clientId: string): Promise<number> {
  return stores.database.prisma.auditEvent.count({ where: { clientId } });
}

test('S-175 what was spent and issued is stored with its record, at the time of the database', async () => {
  const clientId = newValue();
  const grantId = await storeGrant(stores.first);
  expect(await write(exchange(await storeCode(stores.first, grantId), grantId, clientId))).toBe('done');
  const [row] = await stores.database.prisma.auditEvent.findMany({ where: { clientId } });
  expect(row).toMatchObject({
    type: 'token.issued',
    address: '192.0.2.1',
    userId: null,
    details: { kind: 'access_token' },
  });
  const { rows } = await stores.database.pool.query(
    `SELECT at <= now() AND at > now() - interval '1 minute' AS recent FROM audit_events WHERE id = $1`,
    [row!.id],
  );
  expect(rows).toEqual([{ recent: true }]);
});

test('S-175 of two that spend the same code at once only the winner is recorded', async () => {
  for (let round = 0; round < 20; round++) {
    const clientId = newValue();
    const grantId = await storeGrant(stores.first);
    const code = await storeCode(stores.first, grantId);
    const outcomes = await Promise.all([
      write(exchange(code, grantId, clientId)),
      writeElsewhere(exchange(code, grantId, clientId)),
    ]);
    expect(outcomes.sort()).toEqual(['done', 'lost']);
    expect(await recordsOf(clientId)).toBe(1);
  }
});

test('S-175 of many requests in one statement those are recorded that came to something', async () => {
  const [live, revoked] = [await storeGrant(stores.first), await storeGrant(stores.first)];
  const code = () => storeCode(stores.first, live);
  const spent = await code();
  await stores.first.adapterFor('AuthorizationCode').consume(spent);
  const underRevoked = await storeCode(stores.first, revoked);
  await stores.first.adapterFor('Grant').destroy(revoked);

  const [winner, loser, ended, onlySpends, onlyIssues] = ['winner', 'loser', 'ended', 'spends', 'issues'].map(
    (name) => `${name} ${newValue()}`,
  ) as [string, string, string, string, string];
  const { save: _, ...spending } = exchange(await code(), live, onlySpends);
  const { consume: __, ...issuing } = exchange(newValue(), live, onlyIssues);
  const outcomes = await Promise.all(
    [
      exchange(await code(), live, winner),
      exchange(spent, live, loser),
      {
        ...exchange(underRevoked, revoked, ended),
        consume: { id: digestOf('AuthorizationCode', await code()), successor: null },
      },
      spending,
      issuing,
    ].map(write),
  );
  expect(outcomes).toEqual(['done', 'lost', 'refused', 'done', 'done']);
  const counts = await Promise.all([winner, loser, ended, onlySpends, onlyIssues].map(recordsOf));
  expect(counts).toEqual([1, 0, 0, 1, 1]);
});
