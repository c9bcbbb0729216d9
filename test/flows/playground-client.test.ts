import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load.ts';
import { providers } from '../../src/upstreams/registry.ts';
import { createEmptyDatabase } from '../support/database.ts';
import { freePort } from '../support/free-port.ts';

let folder: string;
let database: Awaited<ReturnType<typeof createEmptyDatabase>>;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'daemun-playground-'));
  database = await createEmptyDatabase();
});
afterAll(async () => {
  await database?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What an authorization request of the playground gets from a service that was started so, on the database of this file. */
async function authorizeAfterStart(port: number, playground: boolean): Promise<{ status: number; location: string }> {
  const config = loadConfig(providers, {
    PORT: String(port),
    HOST: 'localhost',
    KEYS_DIR: join(folder, 'keys'),
    LOG_LEVEL: 'silent',
    DAEMUN_PLAYGROUND: String(playground),
    ...(database ? { DATABASE_URL: database.url } : { DATA_DIR: join(folder, 'data') }),
  });
  const app = await createApp(config);
  try {
    await app.listen();
    const query = new URLSearchParams({
      client_id: 'playground',
      redirect_uri: `${config.issuer}/playground/callback`,
      response_type: 'code',
      scope: 'openid',
      code_challenge: 'a'.repeat(43),
      code_challenge_method: 'S256',
    });
    const response = await fetch(`${config.issuer}/authorize?${query}`, { redirect: 'manual' });
    return { status: response.status, location: response.headers.get('location') ?? '' };
  } finally {
    await app.close();
  }
}

test('S-178 the client that an earlier start made for the playground is worth nothing where there is none', async () => {
  const port = await freePort();
  const asked = { status: 303, location: expect.stringMatching(/^\/interaction\//) };
  // Nothing to retire on a database that never had one.
  expect(await authorizeAfterStart(port, false)).toEqual({ status: 400, location: '' });
  expect(await authorizeAfterStart(port, true)).toEqual(asked);
  expect(await authorizeAfterStart(port, false)).toEqual({ status: 400, location: '' });
  expect(await authorizeAfterStart(port, true)).toEqual(asked);
  // The issuer has moved meanwhile.
  const elsewhere = await freePort();
  expect(await authorizeAfterStart(port, false)).toEqual({ status: 400, location: '' });
  expect(await authorizeAfterStart(elsewhere, true)).toEqual(asked);
}, 180_000);
