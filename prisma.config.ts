import { defineConfig } from 'prisma/config';

// `generate` needs no database, so the address may be missing.
export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  datasource: { url: process.env.DATABASE_URL ?? 'postgresql://unused:unused@127.0.0.1:5432/unused' },
});
