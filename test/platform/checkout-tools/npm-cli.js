// Stands in for npm: writes down how it was called and "installs" the other tools.
import { appendFileSync, copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const args = process.argv.slice(2);
appendFileSync(process.env.CALLS, `npm ${args.slice(0, 2).join(' ')}\n`);
rmSync('node_modules', { recursive: true, force: true });
if (process.env.NPM_DIES === 'at first') process.kill(process.pid, 'SIGKILL');
install('prisma/build/index.js', 'generate.js');
if (process.env.NPM_DIES === 'half-way') process.kill(process.pid, 'SIGKILL');
install('typescript/bin/tsc', 'npm-cli.js');
install('rolldown/index.js', 'compile.js');
writeFileSync('node_modules/rolldown/package.json', '{ "type": "module", "main": "index.js" }');
writeFileSync('node_modules/package.json', '{ "type": "module" }');
if (args[1] === '--include=dev') install('jest/package.json', 'npm-cli.js');

function install(path, tool) {
  const target = join('node_modules', path);
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(new URL(tool, import.meta.url), target);
}
