import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createServiceOn } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { Service } from '../../src/platform/run-service.ts';
import { openServices, type Services } from '../../src/services.ts';
import { providers } from '../../src/upstreams/registry.ts';
import { createEmptyDatabase } from '../support/database.ts';
import { freePort } from '../support/free-port.ts';

interface Node {
  url: string;
  services: Services;
  service: Service;
}

let folder: string;
let database: Awaited<ReturnType<typeof createEmptyDatabase>>;
const nodes: Node[] = [];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'daemun-keys-'));
  database = await createEmptyDatabase();
  // The embedded database belongs to one process.
  for (let count = database ? 2 : 1; count > 0; count--) nodes.push(await start());
}, 240_000);
afterAll(async () => {
  for (const { service } of nodes) await service.close();
  await database?.close();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

async function start(): Promise<Node> {
  const port = await freePort();
  const config = loadConfig(providers, {
    PORT: String(port),
    HOST: 'localhost',
    KEYS_DIR: join(folder, 'keys'),
    LOG_LEVEL: 'silent',
    ...(database ? { DATABASE_URL: database.url } : { DATA_DIR: join(folder, 'data') }),
  });
  const services = await openServices(config);
  const service = await createServiceOn(services, config);
  const { url } = await service.listen();
  return { url, services, service };
}

const jwksOf = async ({ url }: Node) => (await fetch(`${url}/.well-known/jwks.json`)).text();
const countOf = async (node: Node) => (JSON.parse(await jwksOf(node)) as { keys: unknown[] }).keys.length;
const isReady = async ({ url }: Node) => (await fetch(`${url}/readyz`)).ok;

test('a running service makes its spares, and all nodes publish the same bytes', async () => {
  for (const node of nodes) expect(await isReady(node)).toBe(true);
  await until(async () => (await Promise.all(nodes.map(countOf))).every((count) => count === 8));
  expect(new Set(await Promise.all(nodes.map(jwksOf))).size).toBe(1);
}, 240_000);

test('K8 a key that is revoked on one node leaves the key sets of all', async () => {
  const { keyStore } = nodes[0]!.services;
  const { kid } = (await keyStore.list()).keys.find(
    ({ state, algorithm }) => state === 'active' && algorithm === 'ES256',
  )!;
  await keyStore.revoke({ kid, reason: 'test' }, { actor: 'test' });
  for (const node of nodes) await until(async () => !(await jwksOf(node)).includes(kid));
  await until(async () => (await Promise.all(nodes.map(countOf))).every((count) => count === 8));
  expect(new Set(await Promise.all(nodes.map(jwksOf))).size).toBe(1);
}, 60_000);

test('a key under a key-encryption key that a node does not have: not ready, and still publishing', async () => {
  const [node] = nodes;
  const { pool } = node!.services.database;
  const before = await jwksOf(node!);
  // As if another node had sealed the spare that takes over now.
  await pool.query(`UPDATE signing_keys SET kek_id = 'unknown' WHERE state = 'published' AND algorithm = 'EdDSA'`);
  const { keyStore } = node!.services;
  const { kid } = (await keyStore.list()).keys.find(
    ({ state, algorithm }) => state === 'active' && algorithm === 'EdDSA',
  )!;
  await pool.query(`UPDATE signing_keys SET state = 'retiring', active_for = NULL, retired_at = now() WHERE kid = $1`, [
    kid,
  ]);
  await pool.query(
    `UPDATE signing_keys SET state = 'active', active_for = algorithm, published_for = NULL, activated_at = now()
     WHERE state = 'published' AND algorithm = 'EdDSA'`,
  );
  await pool.query('UPDATE key_set_version SET version = version + 1');
  await until(async () => !(await isReady(node!)));
  expect((await fetch(`${node!.url}/healthz`)).status).toBe(200);
  expect((JSON.parse(await jwksOf(node!)) as { keys: unknown[] }).keys).toHaveLength(
    (JSON.parse(before) as { keys: unknown[] }).keys.length,
  );
}, 60_000);

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 50));
}
