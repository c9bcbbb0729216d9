import { expect, test } from '@jest/globals';
import { listen } from '../../../src/platform/database/listen.ts';
import { openTestDatabase } from '../../support/database.ts';

test('announcements are heard, also after the connection was lost, and no more after the end', async () => {
  const database = await openTestDatabase();
  let heard = 0;
  const stop = listen(database, 'news', () => {
    heard += 1;
  });
  const announce = () => database.pool.query(`SELECT pg_notify('news', '')`);
  const isListening = `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'daemun (listens)'`;
  // Each connection begins with one, for what was missed before it.
  await until(() => heard === 1);
  await announce();
  await until(() => heard === 2);
  await database.pool.query(`SELECT pg_terminate_backend(pid) FROM (${isListening}) AS own`);
  await until(() => heard === 3);
  await announce();
  await until(() => heard === 4);
  await stop();
  await until(async () => (await database.pool.query(isListening)).rows.length === 0);
  await announce();
  expect(heard).toBe(4);
  await database.close();
});

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 20));
}
