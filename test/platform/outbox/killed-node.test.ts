import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { type MailServer, startMailServer } from '../../support/mail-server.ts';
import { type Child, runChild } from '../database/child.ts';
import { eventually } from './node.ts';

let database: TestDatabase;
let server: MailServer;
beforeAll(async () => {
  database = await openTestDatabase();
  server = await startMailServer();
});
afterAll(async () => {
  await server.close();
  await database.close();
});

const messageIds = () => server.arrived.map(({ headers }) => headers['message-id']);

test('kill -9 after the message was taken and before that was written down: it is delivered again, with the same id, and none is lost', async () => {
  const children: Child[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'daemun-outbox-'));
  const place = database.url ?? folder;
  try {
    let killing: Promise<void> | undefined;
    const killed = new Promise<void>((resolve) => {
      server.onMessage = async () => {
        killing ??= victim.kill();
        await killing;
        resolve();
      };
    });
    const victim = runChild('../outbox/deliver.script.ts', place, String(server.port), '3');
    children.push(victim);
    await killed;
    const committed = victim.lines.filter((line) => line.startsWith('committed')).length;
    await eventually(() => server.arrived.length > 0);
    const before = messageIds();
    server.onMessage = () => {};
    const heir = runChild('../outbox/deliver.script.ts', place, String(server.port), '1');
    children.push(heir);
    await heir.saw('all delivered');
    const ids = messageIds();
    for (const id of before) expect(ids.filter((other) => other === id).length).toBeGreaterThan(1);
    // Whatever was committed has arrived; what was being committed when it died may have been.
    expect(new Set(ids).size).toBeGreaterThanOrEqual(committed + 1);
    expect(new Set(ids).size).toBeLessThanOrEqual(4);
  } finally {
    for (const child of children) await child.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}, 120_000);
