import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createAudit } from '../../../src/audit/audit.ts';
import { createLogger } from '../../../src/platform/logger.ts';
import { noMetrics } from '../../../src/platform/metrics.ts';
import { startDeliveries } from '../../../src/platform/outbox/deliveries.ts';
import { createOutbox } from '../../../src/platform/outbox/outbox.ts';
import { OUTBOX_EFFECTS } from '../../../src/platform/outbox/sealed-payload.ts';
import { createKeyEncryption } from '../../../src/signing-keys/envelope.ts';
import { findKekIds } from '../../../src/signing-keys/key-encryption.ts';
import { createRewrap } from '../../../src/signing-keys/rewrap.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { add, letter, until } from './node.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

const [before, after] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)] as const;
const logger = createLogger({ level: 'silent', production: true });

test('what waits while the key-encryption key changes is wrapped anew with everything else, and delivered without the old one', async () => {
  const outbox = createOutbox({ database, encryption: createKeyEncryption(before) });
  const id = await add(database, outbox, letter({ payload: { text: 'across the change' } }));
  const both = createKeyEncryption([after, before]);
  const audit = createAudit({ database, logger });
  const outcome = await createRewrap({ database, keyEncryption: both, audit, tables: [OUTBOX_EFFECTS] })({});
  await audit.close();
  expect(outcome).toMatchObject({ kind: 'done', rows: { outbox_effects: 1 }, damaged: [] });
  expect(await findKekIds(database.pool, [OUTBOX_EFFECTS])).toEqual([both.kekId]);

  const seen: unknown[] = [];
  const deliveries = startDeliveries({
    database,
    encryption: createKeyEncryption(after),
    outbox,
    handlers: {
      letter: {
        async deliver({ payload }) {
          seen.push(payload);
          return { kind: 'delivered' };
        },
      },
    },
    logger,
    metrics: noMetrics,
  });
  await until(outbox, id, ({ state }) => state === 'delivered');
  await deliveries.close();
  expect(seen).toEqual([{ text: 'across the change' }]);
  // What is delivered needs no key any more.
  expect(await findKekIds(database.pool, [OUTBOX_EFFECTS])).toEqual([]);
});
