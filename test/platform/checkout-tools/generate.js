// Stands in for Prisma's generator.
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';

appendFileSync(process.env.CALLS, 'generate\n');
mkdirSync('src/generated/prisma', { recursive: true });
writeFileSync('src/generated/prisma/client.ts', '');
