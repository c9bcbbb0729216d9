// `npm run bench`: measures the service beside the bare engine. See bench/README.md.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { prepare, requireNode } from './prepare.mjs';

const USAGE = `npm run bench -- [options]

  --quick               two short rounds, for a first look
  --only <scenario>     may be repeated: discovery, jwks, cc-opaque, cc-jwt, refresh, introspection, userinfo,
                        code-flow, code-flow-refresh, password, start
  --embedded            the embedded database in place of PostgreSQL (the targets are those of PostgreSQL)
  --rounds <number>     7
  --seconds <number>    of each measurement: 3`;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    embedded: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(USAGE);
} else {
  requireNode();
  await prepare({ dev: true });
  const { run } = await import('../bench/run.mjs');
  const { quick, only, embedded } = values;
  const reached = await run({
    quick,
    only,
    embedded,
    rounds: Number(values.rounds ?? (quick ? 2 : 7)),
    seconds: Number(values.seconds ?? (quick ? 1 : 3)),
    results: join(dirname(dirname(fileURLToPath(import.meta.url))), 'bench/results'),
  });
  if (!reached) process.exitCode = 1;
}
