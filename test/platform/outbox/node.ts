import { Writable } from 'node:stream';
import type { Database } from '../../../src/platform/database/database.ts';
import { createLogger } from '../../../src/platform/logger.ts';
import { noMetrics } from '../../../src/platform/metrics.ts';
import { type DeliveriesOptions, startDeliveries } from '../../../src/platform/outbox/deliveries.ts';
import type { EffectHandlers, LoggedEffect, NewEffect } from '../../../src/platform/outbox/effect.ts';
import { createOutbox, type Outbox } from '../../../src/platform/outbox/outbox.ts';
import { createKeyEncryption } from '../../../src/signing-keys/envelope.ts';

export const ENCRYPTION = createKeyEncryption(Buffer.alloc(32, 5));

export interface OutboxNode {
  outbox: Outbox;
  lines: Record<string, unknown>[];
  close(): Promise<void>;
}

/** What one process has of the outbox. Looks often. */
export function startNode(
  database: Database,
  handlers: EffectHandlers,
  options: Partial<DeliveriesOptions> = {},
): OutboxNode {
  const lines: Record<string, unknown>[] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  const outbox = createOutbox({ database, encryption: ENCRYPTION });
  const deliveries = startDeliveries({
    database,
    encryption: ENCRYPTION,
    outbox,
    handlers,
    logger: createLogger({ level: 'debug', production: true, destination }),
    metrics: noMetrics,
    interval: 50,
    ...options,
  });
  return { outbox, lines, close: () => deliveries.close() };
}

export function letter(more: Partial<NewEffect> = {}): NewEffect {
  return { kind: 'letter', target: 'ada@example.com', summary: 'Hello', payload: { text: 'Dear Ada' }, ...more };
}

/** In a transaction of its own. Its id. */
export async function add(database: Database, outbox: Outbox, effect: NewEffect = letter()): Promise<string> {
  await database.prisma.$transaction((tx) => outbox.add(tx, effect));
  const [newest] = await outbox.list({ onlyDead: false, limit: 1 });
  return newest!.id;
}

/** The entry once it is as it should be. */
export async function until(
  outbox: Outbox,
  id: string,
  isAsItShouldBe: (effect: LoggedEffect) => boolean,
): Promise<LoggedEffect> {
  let effect: LoggedEffect | undefined;
  await eventually(
    async () => {
      effect = await outbox.find(id);
      return effect !== undefined && isAsItShouldBe(effect);
    },
    () => JSON.stringify(effect),
  );
  return effect!;
}

/** Less than any test gets. */
const PATIENCE = 45_000;

export async function eventually(isTrue: () => unknown, describe: () => string = () => ''): Promise<void> {
  for (const deadline = Date.now() + PATIENCE; !(await isTrue()); ) {
    if (Date.now() > deadline) throw new Error(`it did not come to that: ${describe()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** As if the pause before the next try, or the lease of whoever took it, were over. */
export async function passTime(database: Database, id: string): Promise<void> {
  await database.pool.query(`UPDATE outbox_effects SET due_at = now() WHERE id = $1 AND due_at IS NOT NULL`, [id]);
}
