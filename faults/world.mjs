import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../scripts/free-port.mjs';
import { check, countOutcomes } from './checker.mjs';
import { readEmbedded, readPostgresql } from './database.mjs';
import { createHistory } from './history.mjs';
import { send } from './http.mjs';
import { createNode } from './node-process.mjs';
import { seed } from './people.mjs';
import { createDatabase, startCluster } from './postgres.mjs';
import { createVisitor } from './visitor.mjs';

/** Seconds in which a client may repeat a refresh: as long as it may be, because a restart on a busy machine takes its time. */
const GRACE = 60;
const PROBES = 300;

/**
 * Everything one scenario needs: a database, nodes of the service that are not started yet, people and clients, a history.
 *
 * `database`: `cluster` (a PostgreSQL server of its own), `embedded`, or the URL of a server on which a database is made.
 */
export async function createWorld({ database = 'cluster', nodes: count = 2, people: wanted = 12, random, ...options }) {
  const folder = mkdtempSync(join(tmpdir(), 'daemun-faults-'));
  // The database server runs as somebody else, who has to pass.
  chmodSync(folder, 0o711);
  const closing = [() => rmSync(folder, { recursive: true, force: true })];
  try {
    const place = await openDatabase(database, options, folder, closing);
    const embedded = place.DATA_DIR !== undefined;
    const issuerPort = options.issuerPort ?? (await freePort());
    const issuer = `http://127.0.0.1:${issuerPort}`;
    const environment = {
      ISSUER: issuer,
      HOST: '127.0.0.1',
      KEYS_DIR: join(folder, 'keys'),
      LOG_LEVEL: 'error',
      // So that requests can be told by name in the audit log.
      TRUSTED_PROXIES: '127.0.0.1/32',
      DAEMUN_BCRYPT_COST: '4',
      DAEMUN_REFRESH_GRACE: `${GRACE}s`,
      DAEMUN_SIGN_INS_PER_ADDRESS: '1000000',
      DAEMUN_SIGN_IN_PAGES_PER_ADDRESS: '1000000',
      DAEMUN_TOKEN_REQUESTS_PER_CLIENT: '1000000',
      DAEMUN_TOKEN_FAILURES_PER_CLIENT: '1000000',
      DAEMUN_TOKEN_FAILURES_PER_ADDRESS: '1000000',
      DAEMUN_STRANGERS_PER_ADDRESS: '1000000',
      DAEMUN_PLAYGROUND: 'off',
      ...place,
      ...options.environment,
    };
    const nodes = [];
    for (let index = 0; index < (embedded ? 1 : count); index++) {
      nodes.push(
        createNode({
          name: `node ${index + 1}`,
          environment: { ...environment, PORT: String(await freePort()) },
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
      databaseUrl: environment.DATABASE_URL,
      /** Past whatever stands between the nodes and the database. */
      serverUrl: place.cluster?.url,
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
        const stored = embedded ? await readEmbedded(place.DATA_DIR) : await readPostgresql(environment.DATABASE_URL);
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
    return { DATABASE_URL: made.url };
  }
  const cluster = await startCluster(folder, await freePort(), clusterSettings);
  if (!cluster) throw new Error('PostgreSQL is not installed; use --embedded for what can be tried without');
  closing.push(cluster.close);
  const place = { DATABASE_URL: (await behind?.(cluster.url)) ?? cluster.url };
  Object.defineProperty(place, 'cluster', { value: cluster });
  return place;
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
    const { outcome, status, error, said } = await visitor.introspect(value);
    if (outcome !== 'acknowledged' && outcome !== 'refused') {
      world.violation(`the service does not answer after all is mended: ${outcome} ${status} ${error ?? said}`);
      return;
    }
  }
}

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
