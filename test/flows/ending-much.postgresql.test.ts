import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createCommandExecutor } from '../../src/cli/execute.ts';
import { registerMachine, startWholeService, type WholeService } from '../support/whole-service.ts';

/** So many tokens, each of which takes a tenth of a second to go: longer than a statement of a request, or its transaction, may take. */
const TOKENS = 55;

let whole: WholeService;
let clientId: string;
beforeAll(async () => {
  whole = await startWholeService();
  clientId = (await registerMachine(whole)).id;
  await whole.services.database.pool.query(`
    CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.1); RETURN OLD; END $$;
    CREATE TRIGGER slowly BEFORE DELETE ON protocol_artifacts FOR EACH ROW WHEN (OLD.kind = 'AccessToken') EXECUTE FUNCTION slowly()`);
}, 240_000);
afterAll(() => whole.close(), 60_000);

const by = { actor: 'test' };

/** What one person allowed the client, and what it has of theirs. */
async function grantMuch(accountId: string): Promise<void> {
  await whole.services.database.pool.query(
    `INSERT INTO protocol_artifacts (id, kind, grant_id, account_id, client_id, payload, expires_at)
     SELECT sha256(convert_to($1 || n, 'UTF8')), CASE n WHEN 0 THEN 'Grant' ELSE 'AccessToken' END,
       CASE WHEN n > 0 THEN sha256(convert_to($1 || 0, 'UTF8')) END, $1, $2, '{}', now() + interval '1 hour'
     FROM generate_series(0, $3::int) AS n`,
    [accountId, clientId, TOKENS],
  );
}

async function left(): Promise<unknown[]> {
  const { rows } = await whole.services.database.pool.query(
    `SELECT kind FROM protocol_artifacts WHERE client_id = $1 AND revoked_at IS NULL`,
    [clientId],
  );
  return rows;
}

test('S-158 somebody who has much is disabled all the same, however long it takes', async () => {
  const created = await whole.services.accounts.create({ email: 'ada@example.com' }, by);
  if (created.kind !== 'created') throw new Error(created.kind);
  const { id } = created.account;
  await grantMuch(id);
  await whole.services.accounts.disable(id, by);
  expect((await whole.services.accounts.find(id))?.state).toBe('disabled');
  expect(await left()).toEqual([]);
}, 60_000);

test('S-047 a client that has much is disabled all the same, however long it takes', async () => {
  await grantMuch('somebody');
  expect(await whole.services.clients.disable(clientId, by)).toBe('done');
  expect((await whole.services.clients.show(clientId))?.state).toBe('disabled');
  expect(await left()).toEqual([]);
}, 60_000);

test('S-047 what a disabling that was killed has left does not come back to life when the client is enabled', async () => {
  await whole.services.database.pool.query(`ALTER TABLE protocol_artifacts DISABLE TRIGGER slowly`);
  try {
    await grantMuch('somebody else');
    await whole.services.database.pool.query(`UPDATE clients SET state = 'disabled' WHERE id = $1`, [clientId]);
    expect(await whole.services.clients.enable(clientId, by)).toBe('done');
    expect(await left()).toEqual([]);
  } finally {
    await whole.services.database.pool.query(`ALTER TABLE protocol_artifacts ENABLE TRIGGER slowly`);
  }
}, 60_000);

test('a key is revoked with the sessions that were used with it, however many tokens they have', async () => {
  const { pool } = whole.services.database;
  await grantMuch('visitor');
  const { rows } = await pool.query<{ kid: string }>(
    `SELECT kid FROM signing_keys WHERE state = 'active' AND algorithm = 'ES256'`,
  );
  // As the engine names the grant, whose digest is the id of its row.
  await pool.query(
    `WITH granted AS (
       UPDATE protocol_artifacts SET id = sha256(convert_to('Grant:of the visitor', 'UTF8'))
       WHERE account_id = 'visitor' AND kind = 'Grant' RETURNING id),
     moved AS (
       UPDATE protocol_artifacts SET grant_id = (SELECT id FROM granted)
       WHERE account_id = 'visitor' AND kind = 'AccessToken')
     INSERT INTO protocol_artifacts (id, kind, account_id, uid, payload, expires_at)
     VALUES (sha256('session'), 'Session', 'visitor', 'session', json_build_object('iat', extract(epoch FROM now())::bigint,
       'authorizations', json_build_object($1::text, json_build_object('grantId', 'of the visitor'))), now() + interval '1 hour')`,
    [clientId],
  );
  const { exitCode, stdout, stderr } = await createCommandExecutor(whole.services)({
    argv: ['keys', 'revoke', rows[0]!.kid, '--reason', 'a test', '--end-sessions', '--json'],
    files: {},
  });
  expect([exitCode, stderr]).toEqual([0, '']);
  expect(JSON.parse(stdout)).toMatchObject({ changed: true, sessionsEnded: 1 });
  expect(await left()).toEqual([]);
}, 60_000);
