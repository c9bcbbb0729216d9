import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../scripts/free-port.mjs';
import { createDatabase, startCluster } from '../scripts/postgresql-cluster.mjs';
import { UNLIMITED } from '../scripts/unlimited.mjs';
import { check, countOutcomes } from './checker.mjs';
import { readEmbedded, readPostgresql } from './database.mjs';
import { createHistory } from './history.mjs';
import { send } from './http.mjs';
import { createNode } from './node-process.mjs';
import { seed } from './people.mjs';
import { createVisitor } from './visitor.mjs';

/** Seconds in which a client may repeat a refresh: as long as it may be, because a restart on a busy machine takes its time. */
const GRACE = 60;
const PROBES = 300;
/** Milliseconds in which a clear answer has to come when all is mended. A busy machine sheds load, which is none. */
const PATIENCE = 60_000;

/**
 * Everything one scenario needs: a database, nodes of the service that are not started yet, people and clients, a history.
 *
 * `database`: `cluster` (a PostgreSQL server of its own), `embedded`, or the URL of a server on which a database is made.
 */
export async function createWorld({ database = 'cluster', nodes: count = 2, people: wanted = 12, random, ...options }) {
  const folder = mkdtempSync(join(tmpdir(), 'daemun-faults-'));
  const closing = [() => rmSync(folder, { recursive: true, force: true })];
  try {
    const place = await openDatabase(database, options, folder, closing);
    const embedded = place.DATA_DIR !== undefined;
    const issuerPort = options.issuerPort ?? (await freePort());
    const issuer = `http://127.0.0.1:${issuerPort}`;
    const environment = {
      ...UNLIMITED,
      ISSUER: issuer,
      KEYS_DIR: join(folder, 'keys'),
      // So that requests can be told by name in the audit log.
      TRUSTED_PROXIES: '127.0.0.1/32',
      DAEMUN_REFRESH_GRACE: `${GRACE}s`,
      // Of every token the service is asked when all is over, which may be half an hour later.
      DAEMUN_ACCESS_TOKEN_LIFETIME: '24h',
      ...place,
      ...options.environment,
    };
    const nodes = [];
    for (let index = 0; index < (embedded ? 1 : count); index++) {
      const metrics = options.withMetrics && { DAEMUN_METRICS_PORT: String(await freePort()) };
      nodes.push(
        createNode({
          name: `node ${index + 1}`,
          environment: { ...environment, ...options.nodeEnvironment, ...metrics, PORT: String(await freePort()) },
          nodeArguments: options.nodeArguments ?? [],
          log: options.log,
        }),
      );
    }
    closing.push(async () => {
      for (const node of nodes) await node.kill();
    });
    const seeded = wanted
      ? await seed(environment, wanted, { invited: options.invited })
      : { people: [], clients: {}, guests: [] };
    const history = createHistory();
    let turn = 0;

    const world = {
      folder,
      issuer,
      issuerPort,
      environment,
      nodes,
      history,
      random,
      embedded,
      /** For what a scenario starts beside: called in reverse when all is over. */
      closing,
      cluster: place.cluster,
      /** The superuser's, past whatever stands between the nodes and the database. */
      adminUrl: place.adminUrl,
      ...seeded,
      endpoints: endpointsOf(issuer),
      /** What a scenario itself saw and nobody may see. */
      violations: [],
      violation: (text) => world.violations.push(history.note ? `${text} [${history.note}]` : text),
      /** The next node that can be asked. */
      pick() {
        const alive = nodes.filter((node) => node.isReady());
        turn += 1;
        return alive[turn % alive.length];
      },
      visitor: (person, client) => createVisitor({ world, person, client }),
      startAll: () => Promise.all(nodes.map((node) => node.start())),
      /** One request beside the history. */
      ask: (path, more = {}) => send({ port: (more.to ?? world.pick()).port, url: `${issuer}${path}`, ...more }),
      /** Asks the service about what was issued, then stops it and reads the database. Answers everything that is wrong. */
      async judge() {
        history.note = undefined;
        for (const node of nodes) if (!node.isRunning()) await node.start();
        await probe(world);
        for (const node of nodes) await node.stop();
        const stored = embedded ? await readEmbedded(place.DATA_DIR) : await readPostgresql(place.adminUrl);
        return [
          ...world.violations,
          ...check({ operations: history.operations, database: stored, grace: GRACE * 1_000 }),
        ];
      },
      summary: () => countOutcomes(history.operations),
      async close() {
        for (const close of closing.reverse()) await close();
      },
    };
    return world;
  } catch (error) {
    for (const close of closing.reverse()) await close();
    throw error;
  }
}

async function openDatabase(database, { clusterSettings, dataDirectory, behind }, folder, closing) {
  if (database === 'embedded') return { DATA_DIR: dataDirectory ?? join(folder, 'data') };
  if (database !== 'cluster') {
    const made = await createDatabase(database, `faults_${process.pid}_${Date.now()}`);
    closing.push(made.drop);
    return withheld({ DATABASE_URL: made.url }, { adminUrl: made.adminUrl });
  }
  const cluster = await startCluster(folder, await freePort(), clusterSettings);
  if (!cluster) throw new Error('PostgreSQL is not installed; use --embedded for what can be tried without');
  closing.push(cluster.close);
  const place = { DATABASE_URL: cluster.url, ...(await behind?.(cluster)) };
  return withheld(place, { cluster, adminUrl: cluster.adminUrl });
}

/** The environment of a node, and beside it what no node is told. */
function withheld(environment, values) {
  for (const [name, value] of Object.entries(values)) Object.defineProperty(environment, name, { value });
  return environment;
}

function endpointsOf(issuer) {
  return {
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    introspection_endpoint: `${issuer}/introspect`,
    userinfo_endpoint: `${issuer}/userinfo`,
    revocation_endpoint: `${issuer}/revoke`,
    end_session_endpoint: `${issuer}/logout`,
  };
}

/** The service is asked about what it issued, some of it when there is much: live or dead, the checker knows which it must be. */
async function probe(world) {
  const { history, clients, random } = world;
  const issued = new Map();
  for (const { outcome, yields = [], facts } of history.operations) {
    if (outcome !== 'acknowledged') continue;
    for (const { value } of yields) if (/^(refresh|access|machine):/.test(value)) issued.set(value, facts.clientId);
  }
  const byId = Object.fromEntries(Object.values(clients).map((client) => [client.id, client]));
  const chosen = [...issued]
    .map((one) => [random(), one])
    .sort(([a], [b]) => a - b)
    .slice(0, PROBES);
  for (const [, [value, clientId]] of chosen) {
    const visitor = world.visitor({ id: 'nobody' }, byId[clientId]);
    const deadline = Date.now() + PATIENCE;
    let answer = await visitor.introspect(value);
    while (!isClear(answer) && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      answer = await visitor.introspect(value);
    }
    const { outcome, status, error, said } = answer;
    if (!isClear(answer)) {
      world.violation(`the service does not answer after all is mended: ${outcome} ${status} ${error ?? said}`);
      return;
    }
  }
}

const isClear = ({ outcome }) => outcome === 'acknowledged' || outcome === 'refused';

/** The same numbers for the same seed (mulberry32). */
export function seededRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4294967296;
  };
}
