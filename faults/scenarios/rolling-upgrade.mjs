import { freePort } from '../../scripts/free-port.mjs';
import { runDaemun } from '../commands.mjs';
import { migrationsOf, openEarlierRelease, seedByCommands } from '../earlier-release.mjs';
import { startLoad } from '../load.mjs';
import { findNginx, startNginx } from '../nginx.mjs';
import { createNode, root } from '../node-process.mjs';
import { startSteadyLoad } from '../steady-load.mjs';
import { alternate, arrive, setOut } from '../travellers.mjs';
import { createVisitor } from '../visitor.mjs';

const RATE = 50;
/** Of `goThrough`; each lasts as long as it takes and its share of the seconds. */
const STAGES = 7;
/** What nobody of the load may be refused: no person is disabled here, and what may be refused because it was spent is not among it. */
const NEVER_REFUSED = [
  'open',
  'look',
  'sign-in',
  'resume',
  'consent',
  'ask-to-leave',
  'sign-out',
  'client-credentials',
];

/**
 * Two nodes of an earlier release serve behind nginx while this release's migrations run, and are replaced by this release, one after
 * the other; then one goes back, and forward again.
 */
export const rollingUpgrade = {
  name: 'rolling-upgrade',
  title: 'an upgrade from the release in --from under load, one node back to it, and forward again',
  seconds: 21,
  async run(open, { from, seconds, short, database, log }) {
    const nginx = findNginx();
    if (!nginx) return { skipped: 'not run: nginx is not installed' };
    if (database === 'embedded') return { skipped: 'not run: the embedded database has one node' };
    const earlier = await openEarlierRelease(from);
    if (earlier.missing) return { skipped: `not run: ${earlier.missing}` };
    const world = await open({
      people: 0,
      issuerPort: await freePort(),
      environment: { DAEMUN_SHUTDOWN_DELAY: '2' },
    });
    world.closing.push(earlier.close);
    const put = createPlacer(world, earlier, log);

    for (const index of world.nodes.keys()) await put(index, earlier);
    Object.assign(world, await seedByCommands(earlier, earlier.environmentFor(world.environment), short ? 2 : 8));
    const front = await startNginx(nginx, world);
    world.closing.push(front.stop);
    const entrance = { name: 'nginx', port: world.issuerPort };
    world.pick = () => entrance;
    await untilReached(world);
    for (const person of world.people) await choosePassword(world, person);

    const steady = await startSteadyLoad(world, { to: entrance, rate: short ? RATE / 3 : RATE });
    const crowd = startLoad(asCrowd(world), { actors: short ? 1 : 3, pause: 100 });
    const pause = () => new Promise((resolve) => setTimeout(resolve, (seconds * 1_000) / STAGES));
    const seen = await goThrough(world, { earlier, put, pause });
    await crowd.stop();
    const { sent, rate } = await steady.stop();
    world.history.note = undefined;
    refuseFailures(world);
    // Beside a failure, to tell the node's part in it from the balancer's.
    if (world.violations.length) world.violations.push(...front.problems().slice(0, 5));
    return {
      world,
      seen: [`from ${earlier.name}`, ...seen, `${sent} steady requests, ${rate.toFixed(0)} a second`].join(', '),
    };
  },
};

async function goThrough(world, { earlier, put, pause }) {
  const { nodes, history } = world;
  const seen = [];
  const stage = async (name, work) => {
    history.note = name;
    await work();
    await pause();
  };
  let travellers;

  await stage('the earlier release on its own tables', async () => {
    travellers = [await setOut(world, nodes[0]), await setOut(world, nodes[1])];
  });
  await stage('the migrations run', async () => seen.push(await runMigrations(world, earlier)));
  await stage('the earlier release on the new tables', async () => {
    await arrive(world, travellers[0], nodes[1]);
    await alternate(world, nodes[0], nodes[1]);
    travellers[0] = await setOut(world, nodes[0]);
  });
  await stage('one node is replaced', async () => {
    await put(0);
    // Begun before the migrations, and after them.
    await arrive(world, travellers[1], nodes[0]);
    await arrive(world, travellers[0], nodes[0]);
    await crossOver(world, nodes);
    travellers = [await setOut(world, nodes[0]), await setOut(world, nodes[1])];
  });
  await stage('the other node is replaced', async () => {
    await put(1);
    await arrive(world, travellers[0], nodes[1]);
    await arrive(world, travellers[1], nodes[0]);
    travellers = [await setOut(world, nodes[1])];
  });
  await stage('one node goes back', async () => {
    seen.push(await goBack(put, earlier));
    if (!nodes[0].isRunning()) return;
    await arrive(world, travellers[0], nodes[0]);
    await crossOver(world, nodes);
    travellers = [await setOut(world, nodes[0])];
  });
  await stage('and forward again', async () => {
    await put(0);
    await arrive(world, travellers[0], nodes[0]);
    await alternate(world, nodes[0], nodes[1]);
  });
  return seen;
}

/** What is begun at either goes on at the other, and each step of one thing at the other node. */
async function crossOver(world, [one, other]) {
  await arrive(world, await setOut(world, one), other);
  await arrive(world, await setOut(world, other), one);
  await alternate(world, one, other);
  await alternate(world, other, one);
}

/** Exchanges the node at that place for one of `release`, or of this one; whoever is there is stopped as an operator does. */
function createPlacer(world, earlier, log) {
  const { nodes, environment } = world;
  return async (index, release) => {
    const before = nodes[index];
    if (before.isRunning()) {
      const { code } = await before.stop();
      if (code !== 0) world.violation(`${before.name} ended with ${code}: ${before.said().slice(-500)}`);
    }
    const known = release ? earlier.environmentFor(environment) : environment;
    nodes[index] = createNode({
      name: `node ${index + 1} (${release ? 'earlier' : 'new'})`,
      environment: { ...known, PORT: String(before.port) },
      release: release?.directory ?? root,
      log,
    });
    await nodes[index].start();
  };
}

async function runMigrations({ environment, violation }, earlier) {
  const began = performance.now();
  const { code, said } = await runDaemun(['migrate'], environment);
  if (code !== 0) violation(`the migrations failed: ${said}`);
  const unknown = migrationsOf(root).filter((name) => !earlier.migrations.includes(name));
  return `${unknown.length} migrations in ${Math.round(performance.now() - began)} ms`;
}

/**
 * The earlier release may refuse tables that it does not know all migrations of, if it says so: then nobody was served by it. That it
 * could is still looked at, by having it know them.
 */
async function goBack(put, earlier) {
  try {
    await put(0, earlier);
    return 'one node went back';
  } catch (error) {
    if (!/which this release does not know/.test(error.message)) throw error;
    if (!earlier.learnMigrations) return 'the earlier release refused to go back';
    earlier.learnMigrations();
    await put(0, earlier);
    return 'the earlier release refused to go back, and went back when it was told of the migrations';
  }
}

/** nginx may take a moment to come up. */
async function untilReached(world) {
  const deadline = Date.now() + 30_000;
  while ((await world.ask('/healthz')).failure) {
    if (Date.now() > deadline) throw new Error('nginx does not come up');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function choosePassword(world, person) {
  const visitor = world.visitor(person, world.clients.own);
  await visitor.openLink(person.link);
  const entry = await visitor.setPassword(person.link, person.password);
  if (entry.outcome !== 'acknowledged') throw new Error(`choosing a password: ${entry.outcome} ${entry.said ?? ''}`);
  // Nobody had anything yet that it could end, and what is made later it does not excuse.
  entry.ends = undefined;
}

/** A world whose visitors are told from others: whoever goes steadily, or travels, says of each failure themselves. */
function asCrowd(world) {
  const history = {
    begin: (operation) => world.history.begin({ ...operation, crowd: true }),
    end: world.history.end,
  };
  const crowd = { ...world, history, visitor: (person, client) => createVisitor({ world: crowd, person, client }) };
  return crowd;
}

/** No request of the crowd may fail, and nobody may be turned away. */
function refuseFailures({ history, violations }) {
  for (const { crowd, kind, outcome, status, error, said, note } of history.operations) {
    const isFine = outcome === 'acknowledged' || (outcome === 'refused' && !NEVER_REFUSED.includes(kind));
    if (crowd && !isFine)
      violations.push(`${kind} failed: ${outcome} ${status ?? ''} ${error ?? said ?? ''} [${note}]`);
  }
}
