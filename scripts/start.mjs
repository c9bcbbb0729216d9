// What `npm start` runs: brings the checkout up to date, reads `.env`, then becomes the service.
import { existsSync } from 'node:fs';
import nodeModule from 'node:module';
import { prepare, requireNode } from './prepare.mjs';

requireNode();
await prepare();
// Real variables win over the file.
if (existsSync('.env')) process.loadEnvFile('.env');
// Node 22 and newer keep compiled code: the next start is faster.
nodeModule.enableCompileCache?.();
await import('../dist/main.js');
endWithNpm();

/** npm runs this through a shell that passes no signal on: a service whose npm was stopped would go on unseen. */
function endWithNpm() {
  if (process.env.npm_lifecycle_event !== 'start') return;
  const shell = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === shell) return;
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, 500).unref();
}
