import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createKeyEncryption } from '../../src/signing-keys/envelope.ts';
import type { KeyState } from '../../src/signing-keys/key-record.ts';
import type { KeyStore } from '../../src/signing-keys/key-store.ts';
import { UNFIT_REASON } from '../../src/signing-keys/life-cycle.ts';
import { DEFAULT_KEY_POLICY, warmUp } from '../../src/signing-keys/timing.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { createNodes } from './key-nodes.ts';

const by = { actor: 'test' };
const [KEK, OTHER_KEK] = [randomBytes(32), randomBytes(32)];
const keyEncryption = createKeyEncryption(KEK);
/** A node that can open what the others sealed, and seals what they cannot open. */
const ahead = createKeyEncryption([OTHER_KEK, KEK]);

let database: TestDatabase;
let nodes: ReturnType<typeof createNodes>;
let store: KeyStore;
beforeEach(async () => {
  database = await openTestDatabase();
  nodes = createNodes(keyEncryption);
  store = nodes.storeOn(database, { algorithms: ['ES256'] });
  await store.advance();
  await store.advance();
});
afterEach(async () => {
  await nodes.close();
  await database.close();
});

const only = async (state: KeyState) => {
  const found = (await store.list()).keys.filter((key) => key.state === state);
  expect(found).toHaveLength(1);
  return found[0]!;
};
const spoil = (kid: string) =>
  database.pool.query(`UPDATE signing_keys SET private_key = '\\x00' WHERE kid = $1`, [kid]);
/** As a damaged backup has it: the rules of the rows do not let anybody do it. */
async function spoilPublicHalf(kid: string, jwk: unknown): Promise<void> {
  await database.pool.query('ALTER TABLE signing_keys DISABLE TRIGGER USER');
  await database.pool.query('UPDATE signing_keys SET public_jwk = $2::jsonb WHERE kid = $1', [
    kid,
    JSON.stringify(jwk),
  ]);
  await database.pool.query('ALTER TABLE signing_keys ENABLE TRIGGER USER');
}
/** As a change that says nothing about it, so that all look. */
const bump = () => database.pool.query('UPDATE key_set_version SET version = version + 1');
/** As if so many seconds had passed. */
const age = (seconds: number) =>
  database.pool.query(
    `UPDATE signing_keys SET published_at = published_at - make_interval(secs => $1), activated_at = activated_at - make_interval(secs => $1)`,
    [seconds],
  );

describe('a spare whose private half cannot be opened', () => {
  test('is ended by itself with a reason, and rotation waits until its successor is warm', async () => {
    const [active, spare] = [await only('active'), await only('published')];
    await age(DEFAULT_KEY_POLICY.rotationPeriod);
    await spoil(spare.kid);
    expect(await store.advance()).toBe(true);
    expect((await only('active')).kid).toBe(active.kid);
    expect(await only('revoked')).toMatchObject({ kid: spare.kid, revocationReason: UNFIT_REASON });
    const successor = await only('published');
    expect(await store.advance()).toBe(false);
    await age(warmUp(DEFAULT_KEY_POLICY) + 1);
    await store.advance();
    expect((await only('active')).kid).toBe(successor.kid);
    const { rows } = await database.pool.query(
      `SELECT actor, details FROM audit_events WHERE type = 'signing_key.revoked'`,
    );
    expect(rows).toEqual([
      { actor: 'system', details: expect.objectContaining({ kid: spare.kid, reason: UNFIT_REASON }) },
    ]);
  });

  test('is replaced before a rotation, which is then too early', async () => {
    const [active, spare] = [await only('active'), await only('published')];
    await age(warmUp(DEFAULT_KEY_POLICY) + 1);
    await spoil(spare.kid);
    const outcome = await store.rotate({ algorithm: 'ES256', expectedActive: active.kid, emergency: false }, by);
    expect(outcome).toMatchObject({ kind: 'refused', reason: 'too_early' });
    expect((await only('active')).kid).toBe(active.kid);
    expect((await only('revoked')).kid).toBe(spare.kid);
  });

  test.each<[string, (kid: string) => Promise<unknown>]>([
    ['an emergency', (kid) => store.rotate({ algorithm: 'ES256', expectedActive: kid, emergency: true }, by)],
    ['a revocation', (kid) => store.revoke({ kid, reason: 'leaked' }, by)],
  ])('does not take over in %s: the key that was just made does', async (_, order) => {
    const [active, spare] = [await only('active'), await only('published')];
    await spoil(spare.kid);
    await order(active.kid);
    const { kid, activatedEarly } = await only('active');
    expect([active.kid, spare.kid]).not.toContain(kid);
    expect(activatedEarly).toBe(true);
    expect((await store.read()).keys.find((key) => key.kid === spare.kid)!.state).toBe('revoked');
    const view = await nodes.viewOn(database, store);
    expect(view.isReady()).toEqual({ ready: true });
  });

  test('does not make a node unready, and is replaced by whoever runs', async () => {
    const spare = await only('published');
    await spoil(spare.kid);
    const view = await nodes.viewOn(database, store);
    while ((await store.list()).keys.every(({ state }) => state !== 'revoked')) {
      expect(view.isReady()).toEqual({ ready: true });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect((await only('published')).kid).not.toBe(spare.kid);
  });

  test('for want of a key-encryption key is left to the nodes that have it', async () => {
    const other = nodes.storeOn(database, { algorithms: ['ES256'], keyEncryption: ahead });
    await other.revoke({ kid: (await only('published')).kid, reason: 'test' }, by);
    const [active, spare] = [await only('active'), await only('published')];
    expect((await store.read()).keys.find(({ kid }) => kid === spare.kid)!.sealed!.kekId).toBe(ahead.kekId);
    const view = await nodes.viewOn(database, store);
    expect(view.isReady()).toEqual({ ready: true });
    expect(view.figures().warnings).toEqual([
      { kind: 'key_encryption_key_missing', text: expect.stringContaining(spare.kid) },
    ]);
    await age(DEFAULT_KEY_POLICY.rotationPeriod);
    await expect(store.advance()).rejects.toThrow(ahead.kekId);
    await expect(store.revoke({ kid: active.kid, reason: 'test' }, by)).rejects.toThrow(ahead.kekId);
    expect([(await only('active')).kid, (await only('published')).kid]).toEqual([active.kid, spare.kid]);
    await other.advance();
    expect((await only('active')).kid).toBe(spare.kid);
  });
});

describe('a row with a public half that is none', () => {
  const BAD: [string, unknown][] = [
    ['nothing', {}],
    ['no point of the curve', { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' }],
    ['the key of another algorithm', { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }],
    ['null', null],
  ];

  test.each(BAD)('is left out with a warning that names it, and the others are served: %s', async (_, jwk) => {
    const { kid } = await only('active');
    await store.rotate({ algorithm: 'ES256', expectedActive: kid, emergency: true }, by);
    await spoilPublicHalf(kid, jwk);
    const view = await nodes.viewOn(database, store);
    expect(view.isReady()).toEqual({ ready: true });
    expect(view.current().keys.map((key) => key.kid)).toEqual([
      (await only('active')).kid,
      (await only('published')).kid,
    ]);
    expect(view.figures().warnings).toEqual([{ kind: 'key_unusable', text: expect.stringContaining(`key ${kid} in`) }]);
    await database.pool.query(`UPDATE signing_keys SET state = 'archived', private_key = NULL WHERE kid = $1`, [kid]);
    await bump();
    await view.refresh();
    expect([view.current().hints, view.isReady()]).toEqual([[], { ready: true }]);
  });

  test.each(BAD)('stops a start when it is the key that signs, and is named: %s', async (_, jwk) => {
    const { kid } = await only('active');
    await spoilPublicHalf(kid, jwk);
    await expect(nodes.viewOn(database, store)).rejects.toMatchObject({
      name: 'OperatorError',
      message: expect.stringContaining(`Signing key ${kid} in the database`),
    });
  });
});

test('a revocation goes before all orders that wait', async () => {
  const done: string[] = [];
  const { kid } = await only('active');
  const orders = ['first', 'second', 'third'].map((name) => store.hold(kid, false, by).then(() => done.push(name)));
  const revocation = store.revoke({ kid, reason: 'leaked' }, by).then(() => done.push('revocation'));
  await Promise.all([...orders, revocation]);
  expect(done).toEqual(['first', 'revocation', 'second', 'third']);
});
