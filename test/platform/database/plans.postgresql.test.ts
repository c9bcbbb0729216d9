import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import type pg from 'pg';
import { createAccountFinder } from '../../../src/accounts/accounts.store.ts';
import { createArtifactStore } from '../../../src/provider/adapter.ts';
import { createEndingForDisabledClients } from '../../../src/provider/disabled-clients.ts';
import { createPerson, PASSWORD, startNode } from '../../accounts/node.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { basic, connect, post, signIn } from '../../support/flow-client.ts';
import { type Flow, startFlow } from '../../support/flow-server.ts';
import { type RecordedStatement, recordStatements } from '../../support/recorded-statements.ts';

/** Rows of each table that grows with people and traffic: so many that looking at all of them is never the better plan. */
const ROWS = 5_000;

/*
 * Statements that are to see a whole table, or whatever of it comes first.
 */
const WHOLE_TABLES = {
  // Once an hour, which formats of hashes there are.
  'passwords.formats': 'password_credentials',
  // A timer's: any thousand that are old enough.
  'throttle.forget': 'sign_in_throttles',
};

let database: TestDatabase;
let flow: Flow;
/** The newest of each kind, by name. */
const statements = new Map<string, RecordedStatement>();

beforeAll(async () => {
  database = await openTestDatabase();
  flow = await startFlow({ database });
  const recorded = recordStatements(database.pool);
  await useEverything();
  // Names end with numbers that tell processes and ages apart.
  for (const one of recorded) {
    const name = one.name?.replace(/(\.\d+)+$/, '');
    if (name) statements.set(name, one);
  }
  await fill(database.pool);
}, 120_000);
afterAll(async () => {
  await flow?.close();
  await database?.close();
});

/** A person's and a client's whole life, with what goes wrong in it. */
async function useEverything(): Promise<void> {
  const node = startNode(database);
  const person = await createPerson(node);
  const by = { address: '192.0.2.1' };
  const attempt = { login: person.email, password: PASSWORD };
  const first = await node.signIn.withPassword(attempt, by);
  if (first.kind !== 'signed_in') throw new Error(first.kind);
  const known = { deviceToken: first.deviceToken };
  await node.signIn.withPassword({ ...attempt, ...known }, by);
  for (const password of Array(7).fill('wrong')) {
    await node.signIn.withPassword({ ...attempt, password }, by);
    await node.signIn.withPassword({ ...attempt, password, ...known }, by);
    await node.signIn.withPassword({ login: 'nobody@example.com', password }, by);
  }
  await node.signIn.forgetStrangers();
  const uid = randomBytes(16).toString('hex');
  await node.sessions.start({ uid, userId: person.id, amr: ['pwd'], ...by });
  await node.sessions.list(person.id);
  await node.sessions.providerOf(uid);
  node.sessions.touch(uid);
  await createAccountFinder(database.pool).find(person.id);
  await node.close();

  const grant_types = ['authorization_code', 'refresh_token', 'client_credentials'];
  const client = await flow.register({ metadata: { grant_types } });
  const owner = await flow.people.create();
  const config = await connect(flow, client);
  const { tokens, browser } = await signIn(flow, config, owner.id);
  await signIn(flow, config, owner.id, { browser });
  await oidc.clientCredentialsGrant(config);
  await oidc.fetchUserInfo(config, tokens.access_token, owner.id);
  await oidc.tokenIntrospection(config, tokens.access_token);
  const { refresh_token } = await oidc.refreshTokenGrant(config, tokens.refresh_token!);
  await oidc.refreshTokenGrant(config, tokens.refresh_token!);
  await oidc.refreshTokenGrant(config, refresh_token!);
  const replay = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token! };
  await post(`${flow.issuer}/token`, replay, basic(client));
  const { tokens: others } = await signIn(flow, config, owner.id);
  await oidc.tokenRevocation(config, others.refresh_token!);
  const thirdParty = await flow.register({ isFirstParty: false, metadata: { grant_types } });
  await signIn(flow, await connect(flow, thirdParty), owner.id, { browser });
  await browser.open(`${flow.issuer}/logout?${new URLSearchParams({ id_token_hint: tokens.id_token! })}`);

  const store = createArtifactStore({ pool: database.pool, refreshSuccessorKey: randomBytes(32), refreshGrace: 10 });
  await store.claimOnce('jti', {}, 60);
  await store.burnAfter('code');
  await store.adapterFor('Session').findByUid(uid);
  await store.adapterFor('Session').destroy('session');
  await store.adapterFor('Grant').destroy('grant');
  await store.adapterFor('AccessToken').revokeByGrantId('grant');
  await store.adapterFor('AccessToken').destroy('token');
  await store.deleteExpired();
  await createEndingForDisabledClients(flow)(new AbortController().signal);
}

async function fill(pool: pg.Pool): Promise<void> {
  const id = `('01939e3a-7b54-7000-8000-' || lpad(n::text, 12, '0'))::uuid`;
  const digest = (of: string) => `sha256(('${of}' || n)::bytea)`;
  const rows = (insert: string, values: string) =>
    pool.query(`INSERT INTO ${insert} SELECT ${values} FROM generate_series(1, ${ROWS}) AS n ON CONFLICT DO NOTHING`);
  await rows('users (id, user_name, user_name_key)', `${id}, 'filler' || n, 'filler' || n`);
  await rows(
    'email_addresses (id, user_id, address, address_key, primary_of)',
    `${id}, ${id}, n || '@f.example', n || '@f.example', ${id}`,
  );
  await rows('password_credentials (user_id, hash, pepper_id)', `${id}, '$2b$04$' || n, 'pepper'`);
  await rows('known_devices (digest, user_id)', `${digest('device')}, ${id}`);
  await rows('sign_in_throttles (key, user_id)', `${digest('throttle')}, ${id}`);
  await rows('user_sessions (uid, user_id)', `'session' || n, ${id}`);
  await rows('clients (id, name, metadata)', `'client' || n, 'Client', '{}'`);
  await rows('client_secrets (id, client_id, digest, hint)', `${id}, 'client' || n, ${digest('secret')}, 'hint'`);
  await rows('consents (user_id, client_id)', `${id}, 'client' || n`);
  await rows('federated_identities (provider, subject, user_id)', `'google', n::text, ${id}`);
  await rows(
    'audit_events (id, at, type, user_id, client_id)',
    `${id}, now() - n * interval '1 minute', 'token.issued', ${id}::text, 'client' || n`,
  );
  const artifact =
    'protocol_artifacts (id, kind, grant_id, account_id, client_id, uid, session_uid, payload, expires_at)';
  const expires = `now() + n * interval '1 second'`;
  const grant = digest('grant');
  await rows(artifact, `${grant}, 'Grant', NULL, ${id}::text, 'client' || n, NULL, NULL, '{}', ${expires}`);
  await rows(
    artifact,
    `${digest('session')}, 'Session', NULL, ${id}::text, NULL, 'session' || n, NULL, '{}', ${expires}`,
  );
  for (const kind of ['AccessToken', 'RefreshToken']) {
    await rows(artifact, `${digest(kind)}, '${kind}', ${grant}, NULL, NULL, NULL, 'session' || n, '{}', ${expires}`);
  }
  await pool.query('ANALYZE');
}

interface Plan {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Cond'?: string;
  Plans?: Plan[];
}

/** Reads of whole tables, as text; what is under a limit ends early, unless it is sorted first. */
function wholeTables(plan: Plan, large: ReadonlySet<string>, endsEarly = false): string[] {
  const type = plan['Node Type'];
  const table = plan['Relation Name'];
  const early = type === 'Limit' || (endsEarly && !/Sort|Aggregate|Hash/.test(type));
  const below = (plan.Plans ?? []).flatMap((child) => wholeTables(child, large, early));
  if (!table || !large.has(table)) return below;
  const isSequential = type === 'Seq Scan';
  const isUnbounded = /^Index( Only)? Scan$/.test(type) && !plan['Index Cond'] && !early;
  return isSequential || isUnbounded ? [`${type} on ${table}`, ...below] : below;
}

async function largeTables(): Promise<Set<string>> {
  const { rows } = await database.pool.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND reltuples >= $1`,
    [ROWS],
  );
  return new Set(rows.map(({ name }) => name));
}

/** With the values of the run, and as the plan that PostgreSQL keeps for all values. */
async function plansOf(client: pg.PoolClient, { text, values }: RecordedStatement): Promise<Plan[]> {
  type Answer = { 'QUERY PLAN': [{ Plan: Plan }] };
  const ofValues = await client.query<Answer>(`EXPLAIN (FORMAT JSON) ${text}`, values);
  await client.query('SET LOCAL plan_cache_mode = force_generic_plan');
  await client.query(`PREPARE kept AS ${text}`);
  const parameters = values.length ? `(${values.map(() => 'NULL').join(', ')})` : '';
  const ofAll = await client.query<Answer>(`EXPLAIN (FORMAT JSON) EXECUTE kept${parameters}`);
  await client.query('DEALLOCATE kept');
  return [ofValues, ofAll].map(({ rows }) => rows[0]!['QUERY PLAN'][0].Plan);
}

test('no prepared statement reads a whole table that grows', async () => {
  const large = await largeTables();
  expect([...large]).toEqual(expect.arrayContaining(['protocol_artifacts', 'users', 'audit_events', 'known_devices']));
  const names = [...statements.keys()];
  // The run reached what it is about.
  expect(names).toEqual(
    expect.arrayContaining([
      'artifacts.find',
      'artifacts.save-record',
      'artifacts.consume-save-record',
      'artifacts.end-all',
      'artifacts.delete-expired',
      'audit.insert',
      'clients.disabled_with_access',
      'clients.find',
      'consents.find',
      'sessions.start',
      'sign_in.begin',
      'sign_in.succeed',
    ]),
  );

  const found: Record<string, string[]> = {};
  for (const [name, statement] of statements) {
    const client = await database.pool.connect();
    try {
      await client.query('BEGIN');
      const scans = (await plansOf(client, statement)).flatMap((plan) => wholeTables(plan, large));
      const expected = WHOLE_TABLES[name as keyof typeof WHOLE_TABLES];
      const unexpected = scans.filter((scan) => !expected || !scan.endsWith(` on ${expected}`));
      if (unexpected.length) found[name] = unexpected;
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  }
  expect(found).toEqual({});
}, 60_000);

test('a statement without an index for it would be found', async () => {
  const { rows } = await database.pool.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
    `EXPLAIN (FORMAT JSON) SELECT * FROM audit_events WHERE request_id = $1`,
    ['request'],
  );
  expect(wholeTables(rows[0]!['QUERY PLAN'][0].Plan, await largeTables())).toEqual(['Seq Scan on audit_events']);
});
