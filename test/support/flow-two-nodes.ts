import { openTestDatabase, type TestDatabase } from './database.ts';
import { makeSecrets, makeSigningKeys } from './flow-keys.ts';
import { type Flow, startFlow } from './flow-server.ts';

export interface TwoNodes {
  database: TestDatabase;
  one: Flow;
  two: Flow;
  close(): Promise<void>;
}

/** Two nodes of one service: the same database, secrets, keys and issuer. */
export async function startTwoNodes(): Promise<TwoNodes> {
  const database = await openTestDatabase();
  const shared = { secrets: makeSecrets(), signingKeys: await makeSigningKeys() };
  const one = await startFlow({ ...shared, database });
  // PGlite has one session: messages of two connections would mix in it. There both nodes share the queue.
  const other = database.kind === 'postgresql' ? await database.connect() : database;
  const two = await startFlow({ ...shared, database: other, issuer: one.issuer });
  return {
    database,
    one,
    two,
    async close() {
      await one.close();
      await two.close();
      await database.close();
    },
  };
}
