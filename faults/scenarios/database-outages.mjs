import pg from 'pg';
import { freePort } from '../../scripts/free-port.mjs';
import { startLoad } from '../load.mjs';
import { startProxy } from '../proxy.mjs';

const CONNECTIONS = 40;
/** How long a request may wait for its 503, and a document for its answer. Milliseconds; wide, since other work shares the machine. */
const QUICK = 6_000;
const HUNG = 20_000;
const AT_ONCE = 3_000;
const RECOVERY = 60_000;

/** The database goes away in each way it can; the service says so, keeps its documents, and comes back by itself. */
export const databaseOutages = {
  name: 'database-outages',
  title: 'PostgreSQL restarted, crashed, slow, hung, out of connections, gone',
  seconds: 60,
  async run(open, { seconds, short, database }) {
    if (database !== 'cluster') return { skipped: 'needs a PostgreSQL server of its own' };
    const proxyPort = await freePort();
    let proxy;
    const world = await open({
      people: 24,
      clusterSettings: { max_connections: CONNECTIONS },
      async behind({ url }) {
        proxy = await startProxy(proxyPort, Number(new URL(url).port));
        return { DATABASE_URL: Object.assign(new URL(url), { port: String(proxyPort) }).href };
      },
    });
    world.closing.push(() => proxy.close());
    const { cluster, history } = world;
    await world.startAll();
    const load = startLoad(world, { actors: 3, pause: 50 });
    const slowest = {};
    for (const [name, fault] of Object.entries(faultsOf({ world, cluster, proxy, seconds }))) {
      history.note = name;
      await pause(short ? 300 : 1_500);
      const mend = await fault.begin();
      if (fault.expectOutage) slowest[name] = await expectOutage(world, fault);
      else await pause(fault.seconds * 1_000);
      await mend?.();
      await expectRecovery(world, name);
    }
    await load.stop();
    const waits = Object.entries(slowest).map(([name, wait]) => `${name} ${wait.toFixed(0)} ms`);
    return { world, seen: `slowest answer while it was: ${waits.join(', ')}` };
  },
};

function faultsOf({ world, cluster, proxy, seconds }) {
  return {
    'restarted (fast)': {
      seconds: 0,
      begin: async () => {
        await cluster.stopFast();
        await cluster.start();
      },
    },
    'crashed (immediate)': {
      seconds: 0,
      begin: async () => {
        await cluster.stopImmediately();
        await cluster.start();
      },
    },
    slow: {
      seconds: Math.min(5, seconds / 4),
      begin: async () => {
        proxy.slow(150);
        return () => proxy.slow(0);
      },
    },
    hung: {
      seconds: Math.min(8, seconds / 4),
      expectOutage: true,
      // Nothing but its own clock tells the service that no answer will come.
      quick: HUNG,
      begin: async () => {
        proxy.hang(true);
        return () => proxy.hang(false);
      },
    },
    'out of connections': {
      seconds: Math.min(8, seconds / 4),
      expectOutage: true,
      begin: () => eatConnections(world.adminUrl),
    },
    gone: {
      seconds,
      expectOutage: true,
      begin: async () => {
        await cluster.stopFast();
        return () => cluster.start();
      },
    },
  };
}

/** Takes every connection there is, those of the service too: again until it has none left. */
async function eatConnections(url) {
  const eaten = [];
  const eatAll = async () => {
    for (let failures = 0; failures < 3; ) {
      const client = new pg.Client(url);
      client.on('error', () => {});
      await client.connect().then(
        () => eaten.push(client),
        () => pause(5, failures++),
      );
    }
  };
  await eatAll();
  for (let left = 1, rounds = 0; left > 0 && rounds < 50; rounds++) {
    const { rowCount } = await eaten[0].query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'daemun'`,
    );
    left = rowCount;
    await eatAll();
  }
  return () => Promise.all(eaten.map((client) => client.end().catch(() => {})));
}

/** While the database is away: 503 and soon, documents as ever. Answers the longest wait. */
async function expectOutage(world, { seconds, quick = QUICK }) {
  const { nodes, clients, people } = world;
  const until = Date.now() + seconds * 1_000;
  let slowest = 0;
  // What was under way when it began.
  await pause(500);
  do {
    for (const to of nodes) {
      const timed = async (path, more) => {
        const began = performance.now();
        const answer = await world.ask(path, { to, ...more });
        return { ...answer, wait: performance.now() - began };
      };
      const refused = await world.visitor(people[0], clients.own).machineToken({ of: clients.machine, to });
      const wait = refused.end - refused.start;
      slowest = Math.max(slowest, wait);
      if (refused.status !== 503) world.violation(`/token says ${refused.status ?? refused.error}, not 503`);
      if (wait > quick) world.violation(`/token took ${wait.toFixed(0)} ms to say so`);
      for (const path of ['/.well-known/jwks.json', '/.well-known/openid-configuration', '/healthz']) {
        const { status, wait, error } = await timed(path);
        if (status !== 200) world.violation(`${path} says ${status ?? error?.message}, not 200`);
        if (wait > AT_ONCE) world.violation(`${path} took ${wait.toFixed(0)} ms`);
      }
      const { status } = await timed('/readyz');
      if (status !== 503) world.violation(`/readyz says ${status}, not 503`);
    }
    await pause(400);
  } while (Date.now() < until);
  return slowest;
}

/** Without help, and both nodes. */
export async function expectRecovery(world, name) {
  const deadline = Date.now() + RECOVERY;
  for (const to of world.nodes) {
    for (;;) {
      const visitor = world.visitor(world.people[0], world.clients.own);
      const { outcome, status, error } = await visitor.machineToken({ of: world.clients.machine, to });
      const { status: ready } = await world.ask('/readyz', { to });
      if (outcome === 'acknowledged' && ready === 200) break;
      if (Date.now() > deadline) {
        world.violation(
          `${to.name} did not come back after the database was ${name}: ${outcome} ${status ?? ''} ${error ?? ''}, ready ${ready}`,
        );
        break;
      }
      await pause(200);
    }
  }
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
