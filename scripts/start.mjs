// What `npm start` runs: brings the checkout up to date, reads `.env`, then becomes the service.
import { existsSync } from 'node:fs';
import nodeModule from 'node:module';
import { endWithNpm } from './end-with-npm.mjs';
import { prepare, requireNode } from './prepare.mjs';

requireNode();
await prepare();
// Real variables win over the file.
if (existsSync('.env')) process.loadEnvFile('.env');
// Node 22 and newer keep compiled code: the next start is faster.
nodeModule.enableCompileCache?.();
await import('../dist/main.js');
endWithNpm('start');
