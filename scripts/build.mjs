// Generates the Prisma client and compiles. `--check` type-checks everything instead and writes nothing;
// `--all` also compiles the packages and the examples.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

function run(script, args, environment = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'node_modules', script), ...args], {
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
  run('prisma/build/index.js', ['generate', '--no-hints'], {
    PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
    CHECKPOINT_DISABLE: '1',
  });
}

/** Emits without judging types, which `--check` does: a start needs no type packages and no time for them. */
export function compile(project) {
  run('typescript/bin/tsc', ['-p', project, '--noCheck']);
}

export function build({ all = false } = {}) {
  generatePrismaClient();
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  compile('tsconfig.build.json');
  if (!all) return;
  for (const project of ['packages/verify', 'examples/api', 'examples/web-app']) compile(project);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--check')) {
    if (!existsSync(join(root, 'src/generated/prisma/client.ts'))) generatePrismaClient();
    run('typescript/bin/tsc', ['-p', 'tsconfig.json']);
  } else {
    build({ all: process.argv.includes('--all') });
  }
}
