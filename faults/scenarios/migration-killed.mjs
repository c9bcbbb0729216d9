import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { freePort } from '../../scripts/free-port.mjs';
import { createDatabase, queryOnce } from '../../scripts/postgresql-cluster.mjs';
import { runDaemun } from '../commands.mjs';
import { createNode, preload } from '../node-process.mjs';

const SCHEMA = `SELECT table_name, column_name, data_type FROM information_schema.columns
  WHERE table_schema = current_schema() ORDER BY 1, 2`;
const HISTORY = 'SELECT migration_name, finished_at IS NOT NULL AS finished FROM _prisma_migrations ORDER BY 1';

/** `daemun migrate` is killed at some of its points, and the service is started on what that left. */
export const migrationKilled = {
  name: 'migration-killed',
  title: 'a migration killed midway, then a boot that finishes it',
  async run(open, { short, points = short ? 3 : 25 }) {
    const world = await open({ people: 0, nodes: 1 });
    const places = [];

    async function emptyPlace() {
      if (world.embedded) return { DATA_DIR: join(world.folder, randomUUID()) };
      const made = await createDatabase(world.adminUrl, `migrated_${randomUUID().replaceAll('-', '')}`);
      places.push(made);
      return { DATABASE_URL: made.url };
    }

    try {
      return { violations: world.violations, seen: await killMigrations(world, emptyPlace, points) };
    } finally {
      for (const { drop } of places) await drop();
    }
  },
};

/** Kills at `points` points, spread over all there are, each on an empty place. Answers what was seen. */
export async function killMigrations(world, emptyPlace, points) {
  const newPlace = async () => ({ KEYS_DIR: join(world.folder, randomUUID()), ...(await emptyPlace()) });
  const migrateTo = (place, killAt) =>
    runDaemun(['migrate'], { ...world.environment, ...place, KILL_AT_POINT: String(killAt) }, preload('kill'));

  const whole = await newPlace();
  const { said, code } = await migrateTo(whole, 0);
  const total = Number(/(\d+) points/.exec(said)?.[1]);
  if (code !== 0 || !total) throw new Error(`undisturbed it ended with ${code}: ${said}`);
  const expected = await describe(whole);
  const wanted = Math.min(points, total);
  let killed = 0;
  for (let index = 0; index < wanted; index++) {
    // One in each stretch, so that all parts have their turn.
    const killAt = 1 + Math.floor(((index + world.random()) * total) / wanted);
    const place = await newPlace();
    const { signal } = await migrateTo(place, killAt);
    if (signal === 'SIGKILL') killed += 1;
    const problem = await boot(world, place);
    const where = `a migration killed at point ${killAt} of ${total}`;
    if (problem) world.violation(`${where}: ${problem}`);
    else if ((await describe(place)) !== expected)
      world.violation(`${where}: the tables are not those of an undisturbed one`);
  }
  return `${killed} kills among ${total} points`;
}

/** What a database looks like in the end; embedded, that it serves is all that is looked at. */
async function describe({ DATABASE_URL: url }) {
  return url && JSON.stringify([await queryOnce(url, SCHEMA), await queryOnce(url, HISTORY)]);
}

async function boot(world, place) {
  const environment = { ...world.environment, ...place, PORT: String(await freePort()) };
  const node = createNode({ name: 'boot', environment });
  try {
    await node.start();
    const { status } = await world.ask('/readyz', { to: node });
    return status === 200 ? undefined : `/readyz says ${status}`;
  } catch (error) {
    return error.message;
  } finally {
    await node.stop();
  }
}
