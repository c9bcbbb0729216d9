import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { ACCOUNT, newValue, now } from './artifacts.ts';
import {
  authorizePath,
  credentials,
  grantAccess,
  isActive,
  issueCode,
  type Node,
  redeem,
  refresh,
  startNode,
} from './bare-engine.ts';
import { useStores } from './stores.ts';

const stores = useStores();
let node: Node;
const statements: string[] = [];

beforeAll(async () => {
  const { pool } = stores.database;
  const query = pool.query.bind(pool);
  (pool as { query: unknown }).query = (...query_: Parameters<typeof query>) => {
    const { name } = query_[0] as unknown as { name?: string };
    if (name) statements.push(name.split('.')[1]!);
    return query(...query_);
  };
  node = await startNode(stores.first);
});
afterAll(() => node?.close());
beforeEach(() => {
  statements.length = 0;
});

/** A signed-in browser whose tokens live and die with its session. */
async function signIn() {
  const { provider } = node;
  const grantId = await grantAccess(node);
  const authorizations = { client: { grantId, sid: newValue() } };
  const session = Object.assign(new provider.Session(), { accountId: ACCOUNT, loginTs: now(), authorizations });
  const cookie = await (session as unknown as { save(ttl: number): Promise<string> }).save(86_400);
  const { code } = await issueCode(node, { grantId, expiresWithSession: true, sessionUid: session.uid });
  return { cookie: { cookie: `_session=${cookie}` }, code, uid: session.uid, grantId };
}

test('a redemption reads once and writes once', async () => {
  const { code } = await signIn();
  statements.length = 0;
  expect((await redeem(node, code)).status).toBe(200);
  expect(statements).toEqual(['find', 'consume-save']);
});

test('a refresh reads once and writes once', async () => {
  const { code } = await signIn();
  const { body } = await redeem(node, code);
  statements.length = 0;
  expect((await refresh(node, body.refresh_token)).status).toBe(200);
  expect(statements).toEqual(['find', 'consume-save']);
});

test('introspection looks for the token in all its kinds, its session and its grant at once', async () => {
  const { code } = await signIn();
  const { body } = await redeem(node, code);
  statements.length = 0;
  expect(await isActive(node, body.access_token)).toBe(true);
  expect(statements).toEqual(['find']);
});

test('userinfo is one statement', async () => {
  const { code } = await signIn();
  const { body } = await redeem(node, code);
  statements.length = 0;
  expect((await node.get('/me', { authorization: `Bearer ${body.access_token}` })).status).toBe(200);
  expect(statements).toEqual(['find']);
});

test('an authorization request with a session writes its code, and the session only when more than time changed', async () => {
  const { cookie, uid, grantId } = await signIn();
  const rowOf = async () =>
    (await stores.database.pool.query('SELECT xmin, payload FROM protocol_artifacts WHERE uid = $1', [uid])).rows[0];
  const first = await node.get(authorizePath(), cookie);
  expect(first.headers.get('location')).toContain('code=');
  const before = await rowOf();
  statements.length = 0;
  const second = await node.get(authorizePath(), cookie);
  expect(second.headers.get('location')).toContain('code=');
  expect(statements).toEqual(['find', 'save']);
  expect(await rowOf()).toEqual(before);

  // Another client in the same session.
  const grant = new node.provider.Grant({ accountId: ACCOUNT, clientId: 'other' });
  grant.addOIDCScope('openid');
  await stores.database.pool.query(
    `UPDATE protocol_artifacts SET payload = jsonb_set(payload::jsonb, '{authorizations,other}', $2)::json WHERE uid = $1`,
    [uid, JSON.stringify({ grantId: await grant.save() })],
  );
  const third = await node.get(authorizePath('other'), cookie);
  expect(third.headers.get('location')).toContain('code=');
  const after = (await rowOf()).payload;
  expect(after.authorizations.client.grantId).toBe(grantId);
  expect(after.authorizations.other).toHaveProperty('sid');
});

test('a session is written again after a minute, so that its end moves on, together with the code', async () => {
  const { cookie, uid } = await signIn();
  const endOf = async () =>
    (await stores.database.pool.query('SELECT payload FROM protocol_artifacts WHERE uid = $1', [uid])).rows[0].payload
      .exp;
  await node.get(authorizePath(), cookie);
  await stores.database.pool.query(
    `UPDATE protocol_artifacts SET payload = jsonb_set(payload::jsonb, '{exp}', to_jsonb((payload->>'exp')::int - 61))::json
     WHERE uid = $1`,
    [uid],
  );
  const end = await endOf();
  statements.length = 0;
  await node.get(authorizePath(), cookie);
  expect(statements).toEqual(['find', 'save']);
  expect(await endOf()).toBeGreaterThan(end);
});

test('S-066 a token that is bound to its session is dead with it, in the next request', async () => {
  const { code, uid } = await signIn();
  const { body } = await redeem(node, code);
  expect(await isActive(node, body.access_token)).toBe(true);
  const { rows } = await stores.database.pool.query(
    `UPDATE protocol_artifacts SET revoked_at = now() WHERE uid = $1 RETURNING 1`,
    [uid],
  );
  expect(rows).toHaveLength(1);
  expect(await isActive(node, body.access_token)).toBe(false);
  expect(await refresh(node, body.refresh_token)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
});

test('what a request learned ahead is not kept for the next one', async () => {
  const { code, grantId } = await signIn();
  const { body } = await redeem(node, code);
  expect(await isActive(node, body.access_token)).toBe(true);
  await stores.second.adapterFor('Grant').destroy(grantId);
  expect(await isActive(node, body.access_token)).toBe(false);
  expect(await node.post('/token/revocation', { token: String(body.access_token), ...credentials })).toMatchObject({
    status: 200,
  });
});
