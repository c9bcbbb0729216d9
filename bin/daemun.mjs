#!/usr/bin/env node
// The command line. In a checkout it first makes sure that what it runs is built; an image has only `dist/`.
import { existsSync } from 'node:fs';

const prepareScript = new URL('../scripts/prepare.mjs', import.meta.url);
if (existsSync(prepareScript)) {
  const { prepare, requireNode } = await import(prepareScript.href);
  requireNode();
  await prepare({ onlyMissing: true });
}
if (existsSync('.env')) process.loadEnvFile('.env');
await import('../dist/cli.js');
