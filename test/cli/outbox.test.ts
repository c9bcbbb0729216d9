import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { createAudit } from '../../src/audit/audit.ts';
import { createLogger } from '../../src/platform/logger.ts';
import type { DeliveryOutcome } from '../../src/platform/outbox/effect.ts';
import { createOutbox } from '../../src/platform/outbox/outbox.ts';
import { add, ENCRYPTION, letter, startNode, until } from '../platform/outbox/node.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { type CommandLine, openCommandLine } from './command-line.ts';

let database: TestDatabase;
let cli: CommandLine;
let outcome: DeliveryOutcome;
beforeAll(async () => {
  database = await openTestDatabase();
  const audit = createAudit({ database, logger: createLogger({ level: 'silent', production: true }) });
  cli = openCommandLine({ outbox: createOutbox({ database, encryption: ENCRYPTION }), audit });
});
afterAll(() => database.close());
afterEach(() => database.pool.query('DELETE FROM outbox_effects'));

const SECRET = 'https://id.example.com/link/only-for-ada';

/** A letter that came to such an end. */
async function deliver(wanted: DeliveryOutcome, target = 'ada@example.com'): Promise<string> {
  outcome = wanted;
  const node = startNode(database, { letter: { deliver: async () => outcome } });
  const id = await add(database, node.outbox, letter({ target, payload: { text: SECRET } }));
  await until(node.outbox, id, ({ state, tries }) => tries > 0 && state !== 'delivering');
  await node.close();
  return id;
}

const REFUSED: DeliveryOutcome = { kind: 'refused', reason: '550 no such user' };

test('a database that does not answer in time is told of in one line, for programs too', async () => {
  const late = Object.assign(new Error('canceling statement due to statement timeout'), { code: '57014' });
  const broken = openCommandLine({ outbox: { list: () => Promise.reject(late) } as never });
  const said = 'The database did not answer in time (57014). Look whether it was done, and try again.';
  expect(await broken.run('outbox', 'list')).toEqual({ exitCode: 1, stdout: '', stderr: `${said}\n` });
  const { stderr } = await broken.run('outbox', 'list', '--json');
  expect(JSON.parse(stderr)).toEqual({ error: { message: said } });
});

test('an empty log says so', async () => {
  expect((await cli.run('outbox', 'list')).stdout).toBe('Nothing was sent.\n');
  expect((await cli.run('outbox', 'list', '--failed')).stdout).toBe('Nothing was given up.\n');
});

test('deliveries are listed with what came of them, newest first, and never with what they said', async () => {
  const delivered = await deliver({ kind: 'delivered' });
  const dead = await deliver(REFUSED, 'nobody@example.com');
  const { stdout } = await cli.run('outbox', 'list');
  expect(stdout).toMatch(/^ID +KIND +TO +WHAT +STATE +TRIES +AT +LAST ERROR$/m);
  expect(stdout).toMatch(
    new RegExp(`^${dead} +letter +nobody@example.com +Hello +dead +1 +\\S+ +550 no such user$`, 'm'),
  );
  expect(stdout).toMatch(new RegExp(`^${delivered} +letter +ada@example.com +Hello +delivered +1 +\\S+ +-$`, 'm'));
  expect(stdout.indexOf(dead)).toBeLessThan(stdout.indexOf(delivered));
  const { effects } = await cli.json('outbox', 'list', '--failed');
  expect(effects.map(({ id }: { id: string }) => id)).toEqual([dead]);
  const page = await cli.json('outbox', 'list', '--before', dead, '--limit', '1');
  expect(page.effects.map(({ id }: { id: string }) => id)).toEqual([delivered]);
  for (const command of [['list'], ['show', dead], ['list', '--json'], ['show', dead, '--json']]) {
    expect((await cli.run('outbox', ...command)).stdout).not.toContain('only-for-ada');
  }
});

test('one is shown with all that is known of it', async () => {
  const id = await deliver(REFUSED);
  const { stdout } = await cli.run('outbox', 'show', id);
  expect(stdout).toMatch(/State +dead/);
  expect(stdout).toMatch(/Given up +\d{4}-/);
  expect(stdout).toMatch(/Last error +550 no such user/);
  expect(await cli.json('outbox', 'show', id)).toMatchObject({ id, state: 'dead', tries: 1, canBeRetried: true });
});

test('a dead one is tried again when somebody says so, and is delivered with all that it said', async () => {
  const id = await deliver(REFUSED);
  expect(await cli.json('outbox', 'retry', id)).toEqual({ id, changed: true });
  const { rows } = await database.pool.query('SELECT type, actor, details FROM audit_events');
  expect(rows).toEqual([{ type: 'outbox.effect_retried', actor: 'cli', details: { effect: id, kind: 'letter' } }]);
  const seen: unknown[] = [];
  const handler = {
    async deliver({ payload }: { payload: unknown }): Promise<DeliveryOutcome> {
      seen.push(payload);
      return { kind: 'delivered' };
    },
  };
  const node = startNode(database, { letter: handler });
  await until(node.outbox, id, ({ state }) => state === 'delivered');
  await node.close();
  expect(seen).toEqual([{ text: SECRET }]);
  expect(await cli.json('outbox', 'show', id)).toMatchObject({ state: 'delivered', tries: 2 });
  expect(await cli.json('outbox', 'retry', id)).toEqual({ id, changed: false });
  expect((await cli.run('outbox', 'retry', id)).stdout).toBe(`${id} was delivered.\n`);
  // What changed nothing is no event.
  expect((await database.pool.query('SELECT FROM audit_events')).rowCount).toBe(1);
});

test('what is erased cannot be tried again, and what there is not is a clear refusal', async () => {
  const id = await deliver(REFUSED);
  await database.pool.query('UPDATE outbox_effects SET sealed = NULL');
  expect(await cli.run('outbox', 'retry', id)).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('erased'),
  });
  for (const verb of ['show', 'retry']) {
    expect(await cli.run('outbox', verb, 'nothing')).toMatchObject({
      exitCode: 1,
      stderr: 'There is no delivery nothing. `daemun outbox list` shows all.\n',
    });
  }
});
