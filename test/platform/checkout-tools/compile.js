// Stands in for the compiler.
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

appendFileSync(process.env.CALLS, 'compile\n');
const output = process.argv[process.argv.indexOf('--outDir') + 1];
mkdirSync(output, { recursive: true });
writeFileSync(join(output, 'main.js'), 'half');
if (process.env.COMPILER_DIES) process.kill(process.pid, 'SIGKILL');
writeFileSync(join(output, 'main.js'), 'whole');
