// What `npm start` runs: brings the checkout up to date, reads `.env`, then becomes the service.
import { existsSync } from 'node:fs';
import { prepare, requireNode } from './prepare.mjs';

requireNode();
await prepare();
// Real variables win over the file.
if (existsSync('.env')) process.loadEnvFile('.env');
await import('../dist/main.js');
