// `npm run faults`: breaks the service on purpose and checks what it said against what it did. See docs/faults.md.
import { parseArgs } from 'node:util';
import { prepare, requireNode } from './prepare.mjs';

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    seconds: { type: 'string' },
    seed: { type: 'string' },
    points: { type: 'string' },
    from: { type: 'string' },
    short: { type: 'boolean', default: false },
    embedded: { type: 'boolean', default: false },
    postgres: { type: 'string' },
    json: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

requireNode();
// Packages that are there stay: they may be in use by what runs beside.
await prepare({ dev: true, onlyMissing: true });
const { runScenario, scenarios } = await import('../faults/run.mjs');

const USAGE = `npm run faults -- [options]

  --only <scenario>     may be repeated:
${scenarios.map(({ name, title }) => `                          ${name.padEnd(16)} ${title}`).join('\n')}
  --seconds <number>    how long those last that have no end of their own
  --seed <number>       the same choices again; it is printed
  --points <number>     so many of the points of kill-points, chosen at random
  --from <release>      what rolling-upgrade begins at: a revision, or a directory with a built release; else the newest tag
  --short               a few seconds each
  --embedded            on the embedded database, one node
  --postgres <url>      on a database made on this server, in place of a server of its own
  --json                the results as JSON on standard output
  --verbose             also what the nodes say`;

const numbers = ['seconds', 'seed', 'points'];
const problem =
  values.only
    ?.filter((name) => !scenarios.some((one) => one.name === name))
    .map((name) => `There is no scenario ${name}.`)[0] ??
  numbers
    .filter((name) => values[name] !== undefined && !(Number(values[name]) > 0))
    .map((name) => `--${name} must be a number above 0.`)[0];

if (values.help) console.log(USAGE);
else if (problem) {
  console.error(`${problem}\n\n${USAGE}`);
  process.exitCode = 2;
} else {
  // What a scenario opened and could not close must not keep the process.
  process.exit((await runAll()) ? 0 : 1);
}

async function runAll() {
  const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000) + 1);
  const database = values.embedded ? 'embedded' : (values.postgres ?? 'cluster');
  const results = {};
  for (const scenario of scenarios) {
    if (values.only && !values.only.includes(scenario.name)) continue;
    const began = performance.now();
    const result = await runScenario(scenario, {
      database,
      seed,
      short: values.short,
      ...(values.seconds && { seconds: Number(values.seconds) }),
      ...(values.points && { points: Number(values.points) }),
      ...(values.from && { from: values.from }),
      ...(values.verbose && { log: (name, text) => process.stderr.write(`${name}: ${text}`) }),
    }).catch((error) => ({ violations: [`the scenario itself failed: ${error.stack}`], seen: '' }));
    results[scenario.name] = result;
    const { violations, seen, skipped } = result;
    const verdict = violations.length ? `${violations.length} VIOLATIONS` : skipped ? `SKIPPED: ${skipped}` : 'ok';
    const seconds = ((performance.now() - began) / 1_000).toFixed(0);
    console.error(`${scenario.name.padEnd(16)} ${verdict} (${seconds} s, seed ${seed}) ${seen}`);
    for (const violation of violations.slice(0, 30)) console.error(`    ${violation}`);
  }
  if (values.json) console.log(JSON.stringify(results));
  return Object.values(results).every(({ violations }) => violations.length === 0);
}
