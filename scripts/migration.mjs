// Development only: `diff` prints what the migrations lack, `new <name>` writes it as a migration, `check` fails on drift.
// Prisma's own CLI would need a native engine from a download; the same engine exists as WebAssembly on npm (internal API: pinned exactly).
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PGlite } from '@electric-sql/pglite';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import { PrismaPGlite } from 'pglite-prisma-adapter';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const base = resolve(root, 'prisma/migrations');

async function openEngine(datamodel) {
  const glue = await import('@prisma/schema-engine-wasm/schema_engine_bg');
  const wasm = join(dirname(fileURLToPath(import.meta.resolve('@prisma/schema-engine-wasm'))), 'schema_engine_bg.wasm');
  const { instance } = await WebAssembly.instantiate(readFileSync(wasm), { './schema_engine_bg.js': glue });
  glue.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  const shadow = bindMigrationAwareSqlAdapterFactory(new PrismaPGlite(new PGlite()));
  return glue.SchemaEngine.new({ datamodels: [[datamodel.path, datamodel.content]] }, () => {}, shadow);
}

function readMigrations() {
  const names = existsSync(base)
    ? readdirSync(base, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => entry.name)
        .sort()
    : [];
  return {
    baseDir: base,
    shadowDbInitScript: '',
    lockfile: { path: 'migration_lock.toml', content: names.length ? 'provider = "postgresql"\n' : null },
    migrationDirectories: names.map((name) => ({
      path: name,
      migrationFile: {
        path: 'migration.sql',
        content: { tag: 'ok', value: readFileSync(join(base, name, 'migration.sql'), 'utf8') },
      },
    })),
  };
}

const datamodel = {
  path: 'prisma/schema.prisma',
  content: readFileSync(join(root, 'prisma/schema.prisma'), 'utf8'),
};
const migrations = readMigrations();
const engine = await openEngine(datamodel);
const difference = await engine.diff({
  from: migrations.migrationDirectories.length ? { tag: 'migrations', ...migrations } : { tag: 'empty' },
  to: { tag: 'schemaDatamodel', files: [datamodel] },
  script: true,
  exitCode: true,
  shadowDatabaseUrl: null,
  filters: { externalTables: [], externalEnums: [] },
});

const [command = 'diff', name] = process.argv.slice(2);
if (command === 'new') {
  if (!name) throw new Error('usage: npm run migration -- new <name>');
  const stamp = new Date().toISOString().replace(/\D/g, '').slice(0, 14);
  const folder = join(base, `${stamp}_${name}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'migration.sql'), difference.stdout);
  writeFileSync(join(base, 'migration_lock.toml'), 'provider = "postgresql"\n');
  console.log(folder);
} else {
  console.log(difference.stdout);
}
process.exit(command === 'check' ? difference.exitCode : 0);
