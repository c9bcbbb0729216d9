// Migrates an empty database with our runner, then asks Prisma's own engine what it thinks of the history.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PGlite } from '@electric-sql/pglite';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import { PrismaPGlite } from 'pglite-prisma-adapter';
import { poolOver } from '../../../src/platform/database/embedded.ts';
import { migrate, migrationsDirectory } from '../../../src/platform/database/migrate.ts';

const lite = new PGlite();
const pool = await poolOver(lite);
await migrate(pool);
await pool.end();

const schema = readFileSync(join(migrationsDirectory, '../schema.prisma'), 'utf8');

// Internal to Prisma and without types.
const wasmModule: string = '@prisma/schema-engine-wasm/schema_engine_bg';
const glue = await import(wasmModule);
const folder = dirname(fileURLToPath(import.meta.resolve('@prisma/schema-engine-wasm')));
const { instance } = await WebAssembly.instantiate(readFileSync(join(folder, 'schema_engine_bg.wasm')), {
  './schema_engine_bg.js': glue,
});
glue.__wbg_set_wasm(instance.exports);
(instance.exports as { __wbindgen_start(): void }).__wbindgen_start();
const adapter = bindMigrationAwareSqlAdapterFactory(new PrismaPGlite(lite as never) as never);
const engine = await glue.SchemaEngine.new({ datamodels: [['schema.prisma', schema]] }, () => {}, adapter);
const names = readdirSync(migrationsDirectory).filter((name) => name !== 'migration_lock.toml');
const diagnosis = await engine.diagnoseMigrationHistory({
  migrationsList: {
    baseDir: migrationsDirectory,
    shadowDbInitScript: '',
    lockfile: { path: 'migration_lock.toml', content: 'provider = "postgresql"\n' },
    migrationDirectories: names.map((name) => ({
      path: name,
      migrationFile: {
        path: 'migration.sql',
        content: { tag: 'ok', value: readFileSync(join(migrationsDirectory, name, 'migration.sql'), 'utf8') },
      },
    })),
  },
  optInToShadowDatabase: false,
  filters: { externalTables: [], externalEnums: [] },
});
process.stdout.write(`diagnosis ${JSON.stringify(diagnosis)}\n`);
process.exit(0);
