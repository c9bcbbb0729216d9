import { freePort } from '../../scripts/free-port.mjs';
import { findPgbouncer, startPgbouncer } from '../../scripts/pgbouncer.mjs';
import { createDatabase, queryOnce } from '../../scripts/postgresql-cluster.mjs';
import { runDaemun } from '../commands.mjs';
import { startLoad } from '../load.mjs';
import { startProxy } from '../proxy.mjs';
import { expectRecovery } from './database-outages.mjs';
import { killMigrations } from './migration-killed.mjs';

/** As docs/operations.md has the role behind a pooler. */
const ROLE = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'];
const LISTENING = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'daemun (listens)'`;
/** Until nodes that hear nothing have seen changed keys, and until they hear again. Milliseconds; wide, for a busy machine. */
const SEEN = 20_000;
const HEARD = 90_000;

/** What stands between nodes and database is restarted, what leads past it is cut, and a migration that goes through it is killed. */
export const pgbouncerOutages = {
  name: 'pgbouncer-outages',
  title: 'PgBouncer restarted amid flows, announcements lost, a migration through it killed',
  seconds: 30,
  async run(open, { seconds, short, points = short ? 2 : 6, database }) {
    if (database !== 'cluster') return { skipped: 'needs a PostgreSQL server of its own' };
    const program = findPgbouncer();
    if (!program) return { skipped: 'PgBouncer is not installed' };
    let pooler;
    let past;
    const empty = [];
    const closing = [];
    const world = await open({
      people: 24,
      environment: { DATABASE_POOLER: 'transaction' },
      async behind({ url, adminUrl }) {
        for (let count = 0; count <= points; count++) empty.push(await createDatabase(adminUrl, `migrated_${count}`));
        const role = new URL(url).username;
        for (const name of ROLE) await queryOnce(adminUrl, `ALTER ROLE ${role} SET ${name} = '2s'`);
        pooler = await startPgbouncer(program, [url, ...empty.map((made) => made.url)]);
        const port = await freePort();
        past = await startProxy(port, Number(new URL(url).port));
        closing.push(pooler.close, past.close);
        const direct = Object.assign(new URL(url), { port: String(port) }).href;
        return { DATABASE_URL: pooler.through(url), DATABASE_DIRECT_URL: direct };
      },
    });
    world.closing.splice(2, 0, ...closing);
    const { history, random } = world;
    await world.startAll();
    const load = startLoad(world, { actors: 3, pause: 50 });
    const until = Date.now() + seconds * 1_000;
    let restarts = 0;
    do {
      await pause((short ? 300 : 1_000) + 1_500 * random());
      restarts += 1;
      history.note = `PgBouncer restarted, ${restarts}`;
      await pooler.kill();
      await pause(600 * random());
      await pooler.start();
      await expectRecovery(world, 'behind a PgBouncer that was restarted');
    } while (Date.now() < until);
    const silent = await changeKeysUnheard(world, past);
    await load.stop();
    history.note = undefined;
    const through = () => ({ DATABASE_URL: pooler.through(empty.pop().url), DATABASE_DIRECT_URL: '' });
    const migrated = await killMigrations(world, through, points);
    return { world, seen: `${restarts} restarts, changed keys seen unheard after ${silent} ms, ${migrated}` };
  },
};

/** Keys change while nobody hears of it, and again when everybody should. Answers the milliseconds until the first was seen. */
async function changeKeysUnheard(world, past) {
  const { history, nodes, adminUrl } = world;
  const listening = async () => (await queryOnce(adminUrl, LISTENING)).length;
  const listensAgain = async (when) => {
    if ((await eventually(async () => (await listening()) === nodes.length, HEARD)) === undefined)
      world.violation(`${await listening()} of ${nodes.length} nodes listen ${when}`);
  };
  await listensAgain('to begin with');
  history.note = 'nobody hears';
  past.cut(true);
  await eventually(async () => (await listening()) === 0, SEEN);
  const unheard = await changeKeys(world);
  past.cut(false);
  history.note = 'heard again';
  await listensAgain('again after they were cut off');
  await changeKeys(world);
  return unheard;
}

async function changeKeys(world) {
  const { DATABASE_DIRECT_URL: _, ...environment } = world.environment;
  const command = async (...args) => {
    const { code, output, said } = await runDaemun(['keys', ...args, '--json'], environment);
    if (code !== 0) world.violation(`keys ${args[0]}: ${said}`);
    return code === 0 ? JSON.parse(output) : undefined;
  };
  const rotated = (await command('rotate', 'ES256', '--emergency'))?.rotated[0];
  if (!rotated) return undefined;
  await command('revoke', rotated.before, '--reason', 'a fault');
  const began = performance.now();
  for (const to of world.nodes) {
    const isSeen = async () => {
      const { text = '' } = await world.ask('/.well-known/jwks.json', { to });
      return text.includes(rotated.current) && !text.includes(rotated.before);
    };
    if ((await eventually(isSeen, SEEN)) === undefined) world.violation(`${to.name} does not see that keys changed`);
  }
  return Math.round(performance.now() - began);
}

async function eventually(isSo, patience) {
  const deadline = Date.now() + patience;
  while (Date.now() < deadline) {
    if (await isSo()) return true;
    await pause(100);
  }
  return undefined;
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
