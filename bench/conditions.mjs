import pg from 'pg';
import { measureApiKeyCheck } from './api-key-check.mjs';
import { measureHashShare } from './hash-share.mjs';
import { rssMiB } from './processes.mjs';
import { measureRedisMemory } from './redis-memory.mjs';
import { seedClients } from './seed.mjs';
import { startLoader } from './servers.mjs';
import { measureWorkers } from './workers.mjs';

/** Sign-ins that wait at once while discovery is asked: more than any queue of hashes takes. */
const WAITING = 64;
/** As operators have it by default on older systems; the cheapest hash of the other scenarios would saturate nothing. */
const HASH_COST = 10;
const ROWS = 1_000_000;
const REQUESTS = [100_000, 1_000_000];
const CLIENTS = [50, 2_000];
const CHECKED_KEYS = 10;

/**
 * What takes a service of its own, or a database made larger: named by `--only` and left out otherwise, because it takes minutes.
 * `measure` is given `withService(variables, act)`, which runs `act` on a service started with these variables besides, and
 * `compare(names, options)`, which measures scenarios on that service beside the bare engine, in turn.
 */
export const conditions = [
  {
    name: 'api-key-check',
    title: `checks of ${CHECKED_KEYS} API keys in one process, without HTTP, while they are remembered and read anew`,
    measure: ({ environment, seconds }) => measureApiKeyCheck(environment, CHECKED_KEYS, seconds),
  },
  {
    name: 'hash-share',
    title: 'share of the hash in a password sign-in, whole flow',
    measure: measureHashShare,
  },
  {
    name: 'saturation',
    title: `discovery while ${WAITING} connections try passwords, bcrypt ${HASH_COST}`,
    async measure({ withService, once, seconds }) {
      const cost = { DAEMUN_BCRYPT_COST: String(HASH_COST) };
      // Who does not exist costs what those cost who do: first they all get their new hash.
      await withService(cost, () => once('password', 'service', { connections: 8, rate: 8, seconds: 2 }));
      return withService(cost, async () => {
        const attackers = startLoader();
        try {
          const attack = once('password-guesses', 'service', { connections: WAITING, seconds: seconds + 2 }, attackers);
          await new Promise((resolve) => setTimeout(resolve, 1_000));
          const { p50, p99 } = await once('discovery', 'service', { connections: 2, rate: 100, seconds });
          const { perSecond, statuses } = await attack;
          return { p50, p99, guessesPerSecond: perSecond, statuses };
        } finally {
          await attackers.stop();
        }
      });
    },
  },
  {
    name: 'memory',
    title: `RSS after ${REQUESTS[1]} token requests, against that after ${REQUESTS[0]}`,
    measure: ({ withService, once }) =>
      withService({}, async (service) => {
        const memory = [];
        let done = 0;
        for (const wanted of REQUESTS) {
          while (done < wanted) done += (await once('cc-jwt', 'service', { connections: 8, seconds: 2 })).iterations;
          memory.push(rssMiB([service.pid]));
        }
        return { memory, ratio: memory[1] / memory[0] };
      }),
  },
  {
    name: 'rows',
    title: `CPU / engine at ${ROWS} stored rows, against a nearly empty table`,
    measure: ({ withService, compare, databaseUrl }) =>
      withService({}, async () => {
        const names = ['cc-opaque', 'introspection'];
        const before = await compare(names);
        await fill(databaseUrl);
        const after = await compare(names);
        return Object.fromEntries(names.map((name) => [name, after[name].cpuToEngine / before[name].cpuToEngine]));
      }),
  },
  {
    name: 'clients',
    title: `client_credentials of ${CLIENTS[1]} clients, against ${CLIENTS[0]}`,
    async measure({ withService, once, environment, rounds, seconds }) {
      const clients = await seedClients(environment, CLIENTS[1]);
      return withService({}, async () => {
        const ratios = [];
        for (let round = -1; round < rounds; round++) {
          const cpu = [];
          for (const count of CLIENTS) {
            const change = { clients: clients.slice(0, count) };
            cpu.push((await once('cc-many-clients', 'service', { connections: 8, seconds, change })).cpuMs);
          }
          if (round >= 0) ratios.push(cpu[1] / cpu[0]);
        }
        return { ratio: ratios.toSorted((a, b) => a - b)[Math.floor(ratios.length / 2)], ratios };
      });
    },
  },
  {
    name: 'processes',
    title: 'CPU of a token request: two processes, against one',
    async measure({ withService, compare }) {
      const names = ['cc-opaque', 'cc-jwt'];
      const one = await withService({}, () => compare(names));
      const two = await withService({ WORKERS: '2' }, () => compare(names));
      return Object.fromEntries(
        names.flatMap((name) => [
          [name, two[name].cpuToEngine / one[name].cpuToEngine],
          [`${name} rate`, two[name].sides.service.perSecond / one[name].sides.service.perSecond],
        ]),
      );
    },
  },
  {
    name: 'workers',
    title: 'requests a second: two workers, against one, each with a quarter of a core',
    measure: measureWorkers,
  },
  {
    name: 'redis-memory',
    title: 'what Redis keeps of people who sign in, each from an address of their own, and refresh once',
    measure: measureRedisMemory,
  },
  {
    name: 'latency',
    title: 'latency at a rate, against the bare engine: code flow 30/s, client_credentials 100/s',
    measure: ({ withService, compare }) =>
      withService({}, async () => {
        const flow = await compare(['code-flow'], { rate: 30 });
        const token = await compare(['cc-jwt'], { rate: 100 });
        const of = ({ sides: { service, engine } }) => ({
          p50: service.p50 / engine.p50,
          p99: service.p99 / engine.p99,
          p99Ms: service.p99,
        });
        return { 'code-flow': of(flow['code-flow']), 'cc-jwt': of(token['cc-jwt']) };
      }),
  },
];

/** Tokens that nobody asks for, as many as a busy day leaves. */
async function fill(url) {
  if (!url) throw new Error('rows are measured on PostgreSQL only');
  const client = new pg.Client(url);
  await client.connect();
  await client.query(
    `INSERT INTO protocol_artifacts (id, kind, client_id, payload, expires_at)
     SELECT sha256(('filler' || n)::bytea), 'ClientCredentials', 'client' || n % 1000, '{}', now() + interval '1 day'
     FROM generate_series(1, $1::int) AS n`,
    [ROWS],
  );
  await client.query('VACUUM ANALYZE protocol_artifacts');
  await client.end();
}
