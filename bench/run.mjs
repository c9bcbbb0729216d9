import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../scripts/free-port.mjs';
import { startCluster } from '../scripts/postgresql-cluster.mjs';
import { UNLIMITED } from '../scripts/unlimited.mjs';
import { conditions } from './conditions.mjs';
import { bcryptOf, measureHash } from './hash.mjs';
import { cpuMs, rssMiB } from './processes.mjs';
import { printCondition, printScenario, printTargets } from './report.mjs';
import { scenarios } from './scenarios.mjs';
import { choosePasswords, jwtResource, redirectUri, resources, seed } from './seed.mjs';
import { startHelper, startLoader, startService } from './servers.mjs';

const CONNECTIONS = 8;
/** The cheapest bcrypt there is: what a sign-in costs above its hash would drown in the hash's own spread otherwise. */
const BCRYPT_COST = Number(UNLIMITED.DAEMUN_BCRYPT_COST);
/** Iterations of each side before the first that counts, or as many as there is time for; and at least so many seconds. */
const WARM_UP = 2_000;
const WARM_UP_SECONDS = { least: 6, most: 30 };
/** What node's server says by itself. */
const BY_NODE = ['connection', 'content-length', 'date', 'keep-alive'];
const DOCUMENTS = ['/.well-known/openid-configuration', '/.well-known/jwks.json'];

/** Runs the chosen scenarios, prints them, writes the figures to `results`, and answers whether every "must" was reached. */
export async function run({ quick, only, embedded, profile, rounds, seconds, results }) {
  const directory = mkdtempSync(join(tmpdir(), 'daemun-bench-'));
  const running = [];
  try {
    const postgres = embedded ? undefined : await startCluster(directory, await freePort());
    if (postgres) running.push({ stop: postgres.close });
    else if (!embedded) throw new Error('PostgreSQL is not installed; use --embedded to measure the embedded database');
    const environment = await serviceEnvironment(directory, postgres);
    const seeded = await seed(environment, CONNECTIONS);

    const measured = {};
    if (!only || only.includes('start')) measured.start = await measureStart(environment, quick);
    const service = await startService(environment, profile ? ['--cpu-prof', `--cpu-prof-dir=${results}`] : []);
    running.push(service);
    await choosePasswords(environment.ISSUER, seeded.users);
    const sides = await startSides(service, postgres, environment.ISSUER, seeded, running);
    const loader = startLoader();
    running.push(loader);

    for (const scenario of scenarios) {
      if (only ? !only.includes(scenario.name) : scenario.sides.length === 0) continue;
      const figures = await measureScenario(scenario, sides, loader, { rounds, seconds });
      if (scenario.name === 'password') figures.hashMs = await measureHash(bcryptOf(BCRYPT_COST), scenario.connections);
      measured[scenario.name] = { title: scenario.title, ...figures };
      printScenario(measured[scenario.name]);
    }
    for (const condition of conditions.filter(({ name }) => only?.includes(name))) {
      // Of the same issuer there can be one at a time.
      await service.stop();
      const figures = await condition.measure(
        conditionTools({ environment, postgres, service: sides.service, sides, loader, rounds, seconds }),
      );
      measured[condition.name] = { title: condition.title, ...figures };
      printCondition(measured[condition.name]);
    }
    if (measured.start) measured.start.loadedMiB = rssMiB([service.pid]);
    printMemory(measured.start);
    const reached = printTargets(measured);
    mkdirSync(results, { recursive: true });
    const file = join(results, `${new Date().toISOString().replaceAll(':', '-')}.json`);
    const machine = { node: process.version, cpu: cpus()[0].model, cores: availableParallelism() };
    const settings = { database: embedded ? 'embedded' : 'postgresql', rounds, seconds, connections: CONNECTIONS };
    writeFileSync(file, `${JSON.stringify({ machine, settings, measured, reached }, null, 2)}\n`);
    console.log(`\n${file}`);
    return reached.every((target) => target.reached !== 'MISSED');
  } catch (error) {
    for (const { said } of running) if (said?.()) console.error(`What the service said:\n${said()}`);
    throw error;
  } finally {
    for (const one of running.reverse()) await one.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** As in production except for plain http on loopback; limits are on, only too high for one machine to reach. */
async function serviceEnvironment(directory, postgres) {
  const port = await freePort();
  return {
    ...UNLIMITED,
    ISSUER: `http://127.0.0.1:${port}`,
    PORT: String(port),
    KEYS_DIR: join(directory, 'keys'),
    ...(postgres ? { DATABASE_URL: postgres.url } : { DATA_DIR: join(directory, 'data') }),
  };
}

/** Every side of the comparison: what to ask, and whose CPU to count. */
async function startSides(service, postgres, issuer, { client, loginClient, users }, running) {
  const engine = await startHelper('engine.mjs', {
    port: await freePort(),
    client,
    loginClient,
    redirectUri,
    resources,
    users,
    bcryptCost: BCRYPT_COST,
  });
  const bare = await startHelper('bare.mjs', { port: await freePort(), documents: await fetchDocuments(issuer) });
  running.push(engine, bare);
  const target = async (origin) => {
    const response = await fetch(`${origin}${DOCUMENTS[0]}`);
    return { origin, endpoints: await response.json(), client, loginClient, users, redirectUri, resource: jwtResource };
  };
  return {
    engine: { target: await target(engine.origin), pids: [engine.pid] },
    service: { target: await target(issuer), pids: [service.pid], databasePids: postgres ? [postgres.pid()] : [] },
    bare: {
      target: { origin: bare.origin, endpoints: { jwks_uri: `${bare.origin}${DOCUMENTS[1]}` } },
      pids: [bare.pid],
    },
  };
}

async function fetchDocuments(issuer) {
  const documents = {};
  for (const path of DOCUMENTS) {
    const response = await fetch(`${issuer}${path}`);
    const headers = Object.fromEntries([...response.headers].filter(([name]) => !BY_NODE.includes(name)));
    documents[path] = { body: await response.text(), headers };
  }
  return documents;
}

/** What `conditions.mjs` is given. */
function conditionTools({ environment, postgres, service, sides, loader, rounds, seconds }) {
  return {
    environment,
    databaseUrl: postgres?.adminUrl,
    rounds,
    seconds,
    async withService(variables, act) {
      const started = await startService({ ...environment, ...variables });
      service.pids = [started.pid];
      try {
        return await act(started);
      } finally {
        await started.stop();
      }
    },
    async compare(names, options = {}) {
      const figures = {};
      for (const name of names) {
        const scenario = scenarios.find((one) => one.name === name);
        figures[name] = await measureScenario(scenario, sides, loader, { rounds, seconds, ...options });
      }
      return figures;
    },
    once: (scenario, side, options, by = loader) => measureOnce(scenario, sides[side], by, options),
  };
}

async function measureOnce(scenario, { target, pids, databasePids = [] }, loader, options) {
  const spent = () => [cpuMs(pids), cpuMs(databasePids)];
  let before = [0, 0];
  const result = await loader.measure({ scenario, target, ...options }, () => {
    before = spent();
  });
  const [ofProcess, ofDatabase] = spent().map((value, index) => (value - before[index]) / result.iterations);
  return { ...result, cpuMs: ofProcess + ofDatabase, databaseMs: ofDatabase };
}

/**
 * Both warm means the same number of iterations, not of seconds: a slow side would be measured while V8 still compiles it. What is
 * quick goes through that number in less time than V8 takes to compile.
 */
async function warmUp(measure, { seconds, rate }) {
  const [least, most] = [WARM_UP_SECONDS.least, WARM_UP_SECONDS.most].map((time) =>
    rate ? 1 : Math.ceil(time / seconds),
  );
  for (let round = 0, iterations = 0; round < least || (round < most && iterations < WARM_UP); round++) {
    iterations += (await measure()).iterations;
  }
}

/** All sides in turn, round by round, so that a busy neighbour hits them alike. Ratios are medians of pairs. */
async function measureScenario(scenario, all, loader, { rounds, ...options }) {
  const samples = Object.fromEntries(scenario.sides.map((side) => [side, []]));
  const measure = (side) =>
    measureOnce(scenario.name, all[side], loader, {
      connections: scenario.connections ?? CONNECTIONS,
      ...options,
    });
  for (const side of scenario.sides) await warmUp(() => measure(side), options);
  for (let round = 0; round < rounds; round++) {
    for (const side of scenario.sides) samples[side].push(await measure(side));
  }
  const ratio = (other, value) =>
    samples[other] && median(samples.service.map((sample, index) => value(sample) / value(samples[other][index])));
  return {
    sides: Object.fromEntries(Object.entries(samples).map(([side, list]) => [side, summarise(list)])),
    cpuToEngine: ratio('engine', (sample) => sample.cpuMs),
    cpuToBare: ratio('bare', (sample) => sample.cpuMs),
    rateToBare: ratio('bare', (sample) => sample.perSecond),
  };
}

function summarise(samples) {
  const of = (name) => median(samples.map((sample) => sample[name]));
  const cpu = samples.map((sample) => sample.cpuMs);
  return {
    cpuMs: of('cpuMs'),
    databaseMs: of('databaseMs'),
    cpuRange: [Math.min(...cpu), Math.max(...cpu)],
    perSecond: of('perSecond'),
    p50: of('p50'),
    p99: of('p99'),
  };
}

/** Cold starts with tables and keys there, and what the process holds when it has nothing to do. */
async function measureStart(environment, quick) {
  const times = [];
  let idleMiB = 0;
  for (let round = 0; round < (quick ? 2 : 5); round++) {
    const service = await startService(environment);
    times.push(service.milliseconds);
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    idleMiB = rssMiB([service.pid]);
    await service.stop();
  }
  return { firstAnswerMs: median(times), firstAnswerRange: [Math.min(...times), Math.max(...times)], idleMiB };
}

function printMemory(start) {
  if (!start) return;
  const [least, most] = start.firstAnswerRange;
  console.log(
    `\nstart\n  first answer after ${start.firstAnswerMs.toFixed(0)} ms [${least.toFixed(0)}..${most.toFixed(0)}]`,
  );
  console.log(`  memory ${start.idleMiB.toFixed(0)} MiB idle, ${start.loadedMiB.toFixed(0)} MiB after this run`);
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
