// Stands in for the bundler.
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export async function rolldown() {
  return { write, close: async () => {} };
}

async function write({ dir }) {
  appendFileSync(process.env.CALLS, 'compile\n');
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'main.js'), 'half');
  if (process.env.COMPILER_DIES) process.kill(process.pid, 'SIGKILL');
  writeFileSync(join(dir, 'main.js'), 'whole');
}
