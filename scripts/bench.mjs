// `npm run bench`: measures the service beside the bare engine. See bench/README.md.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { conditions } from '../bench/conditions.mjs';
import { scenarios } from '../bench/scenarios.mjs';
import { prepare, requireNode, root } from './prepare.mjs';

const USAGE = `npm run bench -- [options]

  --quick               two short rounds, for a first look
  --only <scenario>     may be repeated: discovery, jwks, cc-opaque, cc-jwt, refresh, introspection, userinfo,
                        code-flow, code-flow-refresh, password, api-key-introspection, api-key-exchange,
                        api-key-own-api, start; and, only when named, because they take minutes or a service of
                        their own: api-key-check, hash-share, saturation, memory, rows, clients, processes, workers,
                        redis-memory, latency
  --embedded            the embedded database in place of PostgreSQL (the targets are those of PostgreSQL)
  --profile             also write a CPU profile of the service, to be opened in a browser's developer tools
  --rounds <number>     7
  --seconds <number>    of each measurement: 3
  --from-nothing        nothing of the above: how long \`npm start\` takes in a new checkout (25 s at most), and again (2 s)`;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    embedded: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    'from-nothing': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const problem = findProblem();
if (values.help) {
  console.log(USAGE);
} else if (problem) {
  console.error(`${problem}\n\n${USAGE}`);
  process.exitCode = 2;
} else if (values['from-nothing']) {
  requireNode();
  const { measureFromNothing } = await import('../bench/from-nothing.mjs');
  if (!(await measureFromNothing(root))) process.exitCode = 1;
} else {
  requireNode();
  await prepare({ dev: true });
  const { run } = await import('../bench/run.mjs');
  const { quick, only, embedded, profile } = values;
  const reached = await run({
    quick,
    only,
    embedded,
    profile,
    rounds: Number(values.rounds ?? (quick ? 2 : 7)),
    seconds: Number(values.seconds ?? (quick ? 1 : 3)),
    results: join(root, 'bench/results'),
  });
  if (!reached) process.exitCode = 1;
}

function findProblem() {
  const measured = [...scenarios.filter(({ sides }) => sides.length > 0), ...conditions];
  const names = ['start', ...measured.map(({ name }) => name)];
  const unknown = values.only?.find((name) => !names.includes(name));
  if (unknown) return `There is no scenario ${unknown}.`;
  const wrong = ['rounds', 'seconds'].find((name) => values[name] !== undefined && !(Number(values[name]) > 0));
  return wrong && `--${wrong} must be a number above 0.`;
}
