import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll } from '@jest/globals';
import { type ArtifactStore, createArtifactStore } from '../../src/provider/adapter.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';

export interface TestStores {
  database: TestDatabase;
  /** Two nodes: stores with the same keys over two pools on one database. */
  first: ArtifactStore;
  second: ArtifactStore;
  open(options?: { refreshGrace?: number }): ArtifactStore;
}

/** Opens a database for this file, with two nodes on it. */
export function useStores({ refreshGrace = 10 } = {}): TestStores {
  const stores = {} as TestStores;
  beforeAll(async () => {
    const database = await openTestDatabase();
    // PGlite has one session: messages of two connections would mix in it. There two nodes share the queue.
    const other = database.kind === 'postgresql' ? await database.connect() : database;
    const refreshSuccessorKey = randomBytes(32);
    Object.assign(stores, {
      database,
      first: createArtifactStore({ pool: database.pool, refreshSuccessorKey, refreshGrace }),
      second: createArtifactStore({ pool: other.pool, refreshSuccessorKey, refreshGrace }),
      open: (options: { refreshGrace?: number } = {}) =>
        createArtifactStore({ pool: database.pool, refreshSuccessorKey, refreshGrace, ...options }),
    });
  });
  afterAll(() => stores.database?.close());
  return stores;
}
