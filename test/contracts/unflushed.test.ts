import { expect, test } from '@jest/globals';
import { recordOf } from '../../src/provider/artifact-record.ts';
import { type DueWrites, writeParameters, writeStatement } from '../../src/provider/artifact-write-statement.ts';
import { newValue, payloadFor } from './artifacts.ts';
import { useStores } from './stores.ts';

const stores = useStores();

/** Whether the transaction of a write, and the next one of its session, wait for the disk. */
async function settingsAround(isFlushed: boolean): Promise<string[]> {
  const value = newValue();
  const due: DueWrites = { consume: [], destroy: [], save: [], record: [], start: [], end: [] };
  due.save.push([0, { save: [recordOf('Interaction', value, payloadFor('Interaction', value), 60)] }]);
  const client = await stores.database.pool.connect();
  const setting = async () => (await client.query('SHOW synchronous_commit')).rows[0].synchronous_commit as string;
  try {
    await client.query('BEGIN');
    const { rowCount } = await client.query(writeStatement(['save'], isFlushed), writeParameters(due, 0));
    expect(rowCount).toBe(0);
    const during = await setting();
    await client.query('COMMIT');
    return [during, await setting()];
  } finally {
    client.release();
  }
}

test('a statement that only prepares does not wait for the disk, and says so for itself alone', async () => {
  expect(await settingsAround(true)).toEqual(['on', 'on']);
  expect(await settingsAround(false)).toEqual(['off', 'on']);
});
