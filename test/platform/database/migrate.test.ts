import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

test('the audit log refuses to be changed or emptied', async () => {
  await database.prisma.auditEvent.create({ data: { id: '01890a5d-ac96-774b-bcce-b302099a8057', type: 'probe' } });
  await expect(database.prisma.auditEvent.deleteMany()).rejects.toThrow('append-only');
  await expect(database.prisma.auditEvent.updateMany({ data: { type: 'changed' } })).rejects.toThrow('append-only');
  await expect(database.pool.query('TRUNCATE audit_events')).rejects.toThrow('append-only');
  expect(await database.prisma.auditEvent.count()).toBe(1);
});
