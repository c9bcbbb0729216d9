// Generates the Prisma client and compiles, into few files (`bundle.mjs`). `--check` type-checks everything instead and writes nothing;
// `--all` also compiles the packages and the examples.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

function run(script, args, environment = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, script), ...args], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  });
  if (status !== 0) {
    process.stderr.write(`${stdout}${stderr}`);
    process.exit(status ?? 1);
  }
}

export function generatePrismaClient() {
  // `generate` is pure WebAssembly, but looks for a native engine first and would try to download it:
  // any existing file satisfies it. Never set this for `prisma migrate`, which would then do nothing and say nothing.
  run('node_modules/prisma/build/index.js', ['generate', '--no-hints'], {
    PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
    CHECKPOINT_DISABLE: '1',
  });
}

/** Emits without judging types, which `--check` does: a start needs no type packages and no time for them. */
function compile(project) {
  run('node_modules/typescript/bin/tsc', ['-p', project, '--noCheck']);
}

/** `dist/` is exchanged whole, when everything in it is complete; `stamp` may add to it before. */
export function build({ all = false, stamp } = {}) {
  const [output, fresh, old] = ['dist', 'node_modules/.daemun-new', 'node_modules/.daemun-old'].map((name) =>
    join(root, name),
  );
  for (const leftover of [join(output, '.built'), fresh, old]) rmSync(leftover, { recursive: true, force: true });
  generatePrismaClient();
  run('scripts/bundle.mjs', [fresh]);
  keepLateParts(output, fresh);
  stamp?.(fresh);
  if (existsSync(output)) renameSync(output, old);
  renameSync(fresh, output);
  rmSync(old, { recursive: true, force: true });
  if (all) buildExamples();
}

/** A service that runs from the files before loads some parts only when they are needed: they stay for one build more. */
function keepLateParts(output, fresh) {
  const list = 'chunks/.names';
  const namesIn = (folder) => readdirSync(join(folder, 'chunks')).filter((name) => name.endsWith('.js'));
  if (!existsSync(join(fresh, 'chunks'))) return;
  const own = namesIn(fresh);
  const before = existsSync(join(output, list)) ? readFileSync(join(output, list), 'utf8').split('\n') : [];
  for (const name of before) {
    const old = join(output, 'chunks', name);
    if (!own.includes(name) && existsSync(old)) cpSync(old, join(fresh, 'chunks', name));
  }
  writeFileSync(join(fresh, list), own.join('\n'));
}

/** The published package and what shows it off; each keeps its output in its own folder. */
export function buildExamples() {
  for (const project of ['packages/verify', 'examples/api', 'examples/web-app']) compile(project);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--check')) {
    if (!existsSync(join(root, 'src/generated/prisma/client.ts'))) generatePrismaClient();
    run('node_modules/typescript/bin/tsc', ['-p', 'tsconfig.json']);
  } else {
    build({ all: process.argv.includes('--all') });
  }
}
