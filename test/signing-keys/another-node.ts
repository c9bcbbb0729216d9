import type { Database } from '../../src/platform/database/database.ts';
import type { TestDatabase } from '../support/database.ts';

/** A second node where there can be one. PGlite has one session, so transactions of two pools would run into each other. */
export async function anotherNode(database: TestDatabase): Promise<Database> {
  return database.kind === 'postgresql' ? database.connect() : database;
}
