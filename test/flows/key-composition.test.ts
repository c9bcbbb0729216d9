import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createServiceOn } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { Service } from '../../src/platform/run-service.ts';
import { openServices, type Services } from '../../src/services.ts';
import { providers } from '../../src/upstreams/registry.ts';
import { createTokenVault } from '../../src/upstreams/token-vault.ts';
import { createEmptyDatabase } from '../support/database.ts';
import { freePort } from '../support/free-port.ts';

const HOUR = 3600;
const by = { actor: 'test' };
const [OLD, NEW] = [randomBytes(32).toString('base64'), randomBytes(32).toString('base64')];

let folder: string;
let database: Awaited<ReturnType<typeof createEmptyDatabase>>;
beforeAll(async () => {
  database = await createEmptyDatabase();
});
beforeEach(() => {
  folder ??= mkdtempSync(join(tmpdir(), 'daemun-composition-'));
});
afterAll(async () => {
  await database?.close();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** A whole service, as `npm start` puts it together, until `work` is done. */
async function withService(
  keys: string[],
  work: (services: Services, service: Service) => Promise<void>,
  more: Record<string, string> = {},
): Promise<void> {
  const file = join(folder, 'key-encryption.key');
  writeFileSync(file, `${keys.join('\n')}\n`, { mode: 0o600 });
  const config = loadConfig(providers, {
    PORT: String(await freePort()),
    HOST: 'localhost',
    ISSUER: 'http://localhost:3000',
    KEYS_DIR: folder,
    LOG_LEVEL: 'silent',
    ...(database ? { DATABASE_URL: database.url } : { DATA_DIR: join(folder, 'data') }),
    ...more,
  });
  const services = await openServices(config);
  let service: Service;
  try {
    service = await createServiceOn(services, config);
  } catch (error) {
    await services.close();
    throw error;
  }
  try {
    await work(services, service);
  } finally {
    await service.close();
  }
}

test('K5 keys know the longest lifetime that tokens are configured to have', async () => {
  await withService(
    [OLD],
    async ({ keyStore }) => {
      const { keys } = await keyStore.list();
      expect(keys.map(({ tokenLifetime }) => tokenLifetime)).toEqual(keys.map(() => 2 * HOUR));
    },
    { DAEMUN_ACCESS_TOKEN_LIFETIME: '2h', DAEMUN_ID_TOKEN_LIFETIME: '1h' },
  );
}, 120_000);

test('a running service follows a cookie key that changes', async () => {
  await withService([OLD], async ({ keys, secrets }) => {
    const [before] = secrets.cookieKeys;
    const { list, rotate } = keys.secrets;
    const current = (await list()).find(({ purpose, state }) => purpose === 'cookie-signature' && state === 'current');
    await rotate({ purpose: 'cookie-signature', emergency: true, expectedCurrent: current!.id }, by);
    for (let tries = 0; secrets.cookieKeys[0] === before; tries++) {
      expect(tries).toBeLessThan(200);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });
}, 120_000);

test('S-099 the key-encryption key is changed for upstreams’ tokens too, and the old one is not needed any more', async () => {
  const owner = { provider: 'google', subject: '110' };
  const tokens = { accessToken: 'ya29.secret' };
  await withService([OLD, NEW], async ({ database: { pool }, keyEncryption }) => {
    const id = randomUUID();
    await pool.query(`INSERT INTO users (id, name, updated_at) VALUES ($1, 'Somebody', now())`, [id]);
    await pool.query('INSERT INTO federated_identities (provider, subject, user_id) VALUES ($1, $2, $3)', [
      owner.provider,
      owner.subject,
      id,
    ]);
    expect(await createTokenVault({ pool, encryption: keyEncryption }).keep(owner, tokens)).toBe(true);
  });
  await withService([NEW, OLD], async ({ keys }) => {
    expect(await keys.rewrap(by)).toMatchObject({ kind: 'done', rows: { upstream_tokens: 1 }, damaged: [] });
  });
  await withService([NEW], async ({ database: { pool }, keyEncryption }) => {
    expect(await createTokenVault({ pool, encryption: keyEncryption }).read(owner)).toEqual(tokens);
  });
  await expect(withService([OLD], async () => {})).rejects.toThrow(/key-encryption key/);
}, 240_000);

test('outside production another issuer takes the keys as they are, and `keys move` knows whose they were', async () => {
  await withService([NEW], async () => {}, { ISSUER: 'http://localhost:4000' });
  await withService([NEW], async ({ keys }) => {
    expect(await keys.move(by)).toEqual({ from: 'http://localhost:3000', revoked: [] });
  });
}, 240_000);
