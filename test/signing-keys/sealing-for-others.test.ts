import { randomBytes, randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Audit, createAudit } from '../../src/audit/audit.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createKeyEncryption } from '../../src/signing-keys/envelope.ts';
import { createKeyStore, type KeyStore } from '../../src/signing-keys/key-store.ts';
import { createSecretStore, type SecretStore } from '../../src/signing-keys/secret-store.ts';
import { openSecrets } from '../../src/signing-keys/server-secrets.ts';
import { DEFAULT_KEY_POLICY as policy } from '../../src/signing-keys/timing.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';

const by = { actor: 'cli' };
const [older, newer] = [randomBytes(32), randomBytes(32)];
const before = createKeyEncryption(older);
/** As a machine has them on which the new one was put in front too early. */
const hasty = createKeyEncryption([newer, older]);
const NODE = randomUUID();

let database: TestDatabase;
let audit: Audit;
let keys: KeyStore;
let secrets: SecretStore;
beforeEach(async () => {
  database = await openTestDatabase();
  audit = createAudit({ database, logger: createLogger({ level: 'silent', production: true }) });
  const parts = { database, audit, algorithms: ['ES256'] as const };
  await openSecrets({ database, keyEncryption: before });
  const store = createKeyStore({ ...parts, keyEncryption: before, policy, tokenLifetime: 3600 });
  await store.advance();
  await store.advance();
  keys = createKeyStore({ ...parts, keyEncryption: hasty, policy, tokenLifetime: 3600 });
  secrets = createSecretStore({
    ...parts,
    keyEncryption: hasty,
    policy: { ...policy, cookieLifetime: 86_400 },
    pepperIdsInUse: async () => [],
  });
  await nodeHas(before.kekIds);
});
afterEach(async () => {
  await audit.close();
  await database.close();
});

async function nodeHas(kekIds: readonly string[]): Promise<void> {
  await database.pool.query(
    `INSERT INTO key_set_nodes (id, version, kek_ids) VALUES ($1, 1, $2)
     ON CONFLICT (id) DO UPDATE SET kek_ids = excluded.kek_ids, seen_at = now()`,
    [NODE, kekIds],
  );
}

const dump = async () =>
  (await database.pool.query('SELECT kid, state, kek_id FROM signing_keys ORDER BY kid')).rows.concat(
    (await database.pool.query('SELECT id, kek_id FROM server_secrets ORDER BY id')).rows,
  );
const active = async () => (await keys.list()).keys.find(({ state }) => state === 'active')!.kid;
const cookieKey = async () =>
  (await secrets.list()).find(({ purpose, state }) => purpose === 'cookie-signature' && state === 'current')!.id;

const orders: [string, () => Promise<unknown>][] = [
  [
    'rotate --emergency',
    async () => keys.rotate({ algorithm: 'ES256', expectedActive: await active(), emergency: true }, by),
  ],
  ['revoke', async () => keys.revoke({ kid: await active(), reason: 'test' }, by)],
  [
    'rotating a secret',
    async () =>
      secrets.rotate({ purpose: 'cookie-signature', emergency: true, expectedCurrent: await cookieKey() }, by),
  ],
];

test.each(orders)('nothing is sealed that a node which serves cannot open: %s', async (_, order) => {
  const untouched = await dump();
  await expect(order()).rejects.toThrow(new RegExp(`${hasty.kekId} is first here.*\\(${NODE}\\).*Nothing was changed`));
  expect(await dump()).toEqual(untouched);
  await nodeHas([...before.kekIds, ...createKeyEncryption(newer).kekIds]);
  await order();
  expect(await dump()).not.toEqual(untouched);
});

test.each(orders)('a node that is gone is not waited for: %s', async (_, order) => {
  const untouched = await dump();
  await database.pool.query(`UPDATE key_set_nodes SET seen_at = now() - interval '10 minutes'`);
  await order();
  expect(await dump()).not.toEqual(untouched);
});
