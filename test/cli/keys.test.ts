import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { pepperIdsInUse } from '../../src/accounts/pepper-use.store.ts';
import { createAudit } from '../../src/audit/audit.ts';
import type { KeyAdministration } from '../../src/cli/command.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createEndingOfSessions } from '../../src/provider/sessions-of-key.ts';
import { createKeyEncryption } from '../../src/signing-keys/envelope.ts';
import { findKekIds } from '../../src/signing-keys/key-encryption.ts';
import { moveKeys } from '../../src/signing-keys/key-issuer.ts';
import { createKeyStore } from '../../src/signing-keys/key-store.ts';
import { createRewrap } from '../../src/signing-keys/rewrap.ts';
import { createSecretStore } from '../../src/signing-keys/secret-store.ts';
import { openSecrets } from '../../src/signing-keys/server-secrets.ts';
import { DEFAULT_KEY_POLICY } from '../../src/signing-keys/timing.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { type CommandLine, openCommandLine } from './command-line.ts';

const DAY = 86_400;
const [olderKey, newerKey] = [randomBytes(32), randomBytes(32)];
const older = createKeyEncryption(olderKey);

let database: TestDatabase;
let keys: ReturnType<typeof administration>;
let cli: CommandLine;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

const ISSUER = 'https://id.example.com';

/** An hour after the first start: each algorithm has a key that signs and a spare of an hour. */
beforeEach(async () => {
  await database.pool.query('TRUNCATE signing_keys, server_secrets, key_set_nodes, protocol_artifacts');
  await openSecrets({ database, keyEncryption: older });
  keys = administration(older);
  cli = openCommandLine({ keys, issuer: ISSUER });
  // The first makes the keys that sign, the second their spares.
  while (await keys.store.advance());
  await keys.secrets.advance();
  await pass(3600);
});

function administration(keyEncryption = older) {
  const audit = createAudit({ database, logger: createLogger({ level: 'silent', production: true }) });
  const parts = { database, keyEncryption, audit };
  const policy = DEFAULT_KEY_POLICY;
  const secretPolicy = { ...policy, cookieLifetime: 14 * DAY };
  const keyStore = createKeyStore({ ...parts, policy, tokenLifetime: 3600, algorithms: ['ES256', 'EdDSA'] });
  return {
    store: keyStore,
    move: (by) => moveKeys({ database, keyStore, issuer: ISSUER }, by),
    secrets: createSecretStore({ ...parts, policy: secretPolicy, pepperIdsInUse }),
    rewrap: createRewrap(parts),
    policy,
    kekIds: keyEncryption.kekIds,
    kekIdsInUse: () => findKekIds(database.pool),
    endSessionsUsedSince: createEndingOfSessions({ database, audit }),
  } satisfies KeyAdministration;
}

/** As if everything that is there had happened so much earlier. */
async function pass(seconds: number): Promise<void> {
  const tables: Record<string, string[]> = {
    signing_keys: ['created_at', 'published_at', 'activated_at', 'retired_at', 'archived_at', 'revoked_at'],
    server_secrets: ['created_at', 'current_since', 'retired_at'],
  };
  for (const [table, columns] of Object.entries(tables)) {
    const earlier = columns.map((column) => `${column} = ${column} - $1 * interval '1 second'`).join(', ');
    await database.pool.query(`UPDATE ${table} SET ${earlier}`, [seconds]);
  }
}

async function kidOf(algorithm: string, state: string): Promise<string> {
  const { rows } = await database.pool.query<{ kid: string }>(
    'SELECT kid FROM signing_keys WHERE algorithm = $1 AND state = $2::signing_key_state',
    [algorithm, state],
  );
  expect(rows).toHaveLength(1);
  return rows[0]!.kid;
}

async function addNode(kekIds: readonly string[], version?: number): Promise<string> {
  const id = randomUUID();
  await database.pool.query(
    'INSERT INTO key_set_nodes (id, version, kek_ids) SELECT $1::uuid, coalesce($2::int, version), $3::text[] FROM key_set_version',
    [id, version, kekIds],
  );
  return id;
}

/** Signed in so long ago, in seconds, and used as long ago. */
async function addSession(age: number, usedAgo = age): Promise<string> {
  const userId = randomUUID();
  await database.pool.query(`INSERT INTO users (id, name, updated_at) VALUES ($1, 'Somebody', now())`, [userId]);
  const uid = randomUUID();
  const payload = { accountId: userId, uid, iat: Math.floor(Date.now() / 1000) - age };
  await database.pool.query(
    `INSERT INTO protocol_artifacts (id, kind, account_id, uid, payload, expires_at)
     VALUES ($1, 'Session', $2, $3, $4, now() + interval '1 day')`,
    [randomBytes(32), userId, uid, JSON.stringify(payload)],
  );
  await database.pool.query(
    `INSERT INTO user_sessions (uid, user_id, created_at, last_used_at, amr)
     VALUES ($1, $2, now() - $3 * interval '1 second', now() - $4 * interval '1 second', '{pwd}')`,
    [uid, userId, age, usedAgo],
  );
  return uid;
}

async function endedSessions(): Promise<string[]> {
  const { rows } = await database.pool.query<{ uid: string }>(
    `SELECT s.uid FROM user_sessions s JOIN protocol_artifacts a USING (uid)
     WHERE s.ended_at IS NOT NULL AND a.revoked_at IS NOT NULL`,
  );
  return rows.map(({ uid }) => uid);
}

async function lastEvents(...types: string[]) {
  const { rows } = await database.pool.query(
    'SELECT type, actor, details FROM audit_events WHERE type = ANY ($1) ORDER BY id DESC LIMIT $2',
    [types, types.length],
  );
  return rows.toReversed();
}

describe('keys list', () => {
  test('shows states, ages, what comes next, nodes and no warning when all is well', async () => {
    const node = await addNode(older.kekIds);
    const listed = await cli.json('keys', 'list');
    expect(listed).toMatchObject({
      version: expect.any(Number),
      nextTransition: expect.stringMatching(/Z$/),
      nodes: [{ id: node, version: listed.version, live: true, kekIds: [older.kekId] }],
      keyEncryption: { here: [older.kekId], inUse: [older.kekId] },
      warnings: [],
    });
    expect(listed.keys).toHaveLength(4);
    const spare = listed.keys.find((key: { state: string }) => key.state === 'published');
    expect(spare).toMatchObject({ age: expect.any(Number), next: { change: 'signs', at: expect.any(String) } });
    expect(spare.age).toBeGreaterThanOrEqual(3600);
    // The period of the key that signs, which is an hour old.
    const days = (Date.parse(spare.next.at) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(29.9);
    expect(days).toBeLessThan(30);
    expect(listed.secrets.map(({ state }: { state: string }) => state).toSorted()).toEqual([
      ...['current', 'current', 'current', 'next', 'next', 'next'],
    ]);
    const { stdout } = await cli.run('keys', 'list');
    for (const text of [spare.kid, 'published', '1 h', node, 'cookie-signature', older.kekId])
      expect(stdout).toContain(text);
    expect(stdout).not.toContain('Warning');
  });

  test('says what is wrong: no spare, a node behind, a node without a key, something under an older key', async () => {
    const stale = await addNode(older.kekIds, 0);
    const lacking = await addNode(['0123456789abcdef']);
    await database.pool.query(
      `UPDATE signing_keys SET state = 'revoked', published_for = NULL, private_key = NULL, wrapped_data_key = NULL
       WHERE algorithm = 'ES256' AND state = 'published'`,
    );
    const both = createKeyEncryption([newerKey, olderKey]);
    const { warnings } = await openCommandLine({ keys: administration(both) }).json('keys', 'list');
    expect(warnings).toHaveLength(4);
    // Nodes stand in the order of their ids, which are random.
    expect(warnings).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^No spare signing key is published for ES256:/),
        expect.stringMatching(new RegExp(`^Nodes do not follow key set version \\d+: ${stale} \\(0\\)`)),
        expect.stringContaining(`Node ${lacking} lacks key-encryption key ${older.kekId}`),
        expect.stringContaining(`under ${older.kekId} still, not under the first key ${both.kekId}`),
      ]),
    );
    expect((await cli.run('keys', 'list')).stdout).toContain('Warning: No spare signing key is published for ES256:');
  });

  test('never prints a private half', async () => {
    const { stdout } = await cli.run('keys', 'list', '--json');
    for (const word of ['ciphertext', 'wrapped', 'private_key', 'sealed":']) expect(stdout).not.toContain(word);
  });
});

describe('keys rotate', () => {
  test('before everybody can know the spare, it says when and that there is an emergency, and changes nothing', async () => {
    const before = await kidOf('ES256', 'active');
    const { exitCode, stdout, stderr } = await cli.run('keys', 'rotate', 'ES256');
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toMatch(
      /ES256 can rotate in 23 h \d+ min \(.*Z\), when everybody knows the next one\. `--emergency`/s,
    );
    expect(await kidOf('ES256', 'active')).toBe(before);
  });

  test('afterwards the spare takes over and nobody notices', async () => {
    const [before, spare] = [await kidOf('ES256', 'active'), await kidOf('ES256', 'published')];
    await pass(DAY);
    const { rotated } = await cli.json('keys', 'rotate', 'ES256');
    expect(rotated).toEqual([
      {
        what: 'ES256',
        changed: true,
        current: spare,
        before,
        early: false,
        effect: expect.stringContaining('know it'),
      },
    ]);
    expect(await kidOf('ES256', 'active')).toBe(spare);
    expect(await lastEvents('signing_key.activated')).toMatchObject([{ actor: 'cli', details: { kid: spare } }]);
  });

  test('in an emergency it does not wait, and says whose tokens fail and for how long', async () => {
    const spare = await kidOf('ES256', 'published');
    const { exitCode, stdout } = await cli.run('keys', 'rotate', 'ES256', '--emergency');
    expect(exitCode).toBe(0);
    expect(await kidOf('ES256', 'active')).toBe(spare);
    // Published an hour ago: whoever follows max-age = 300 s knows it, others may be as old as 24 h 1 min 15 s.
    expect(stdout).toMatch(
      /published 1 h( \d+ s)? ago.*older refuse ES256 tokens.*unknown kid at once.*after 0 s.*23 h \d+ min at most/s,
    );
  });

  test('without a name every algorithm rotates, and one that cannot is named', async () => {
    await pass(DAY);
    await cli.json('keys', 'rotate', 'ES256');
    const { exitCode, stdout, stderr } = await cli.run('keys', 'rotate');
    expect(exitCode).toBe(1);
    expect(stdout).toContain('EdDSA:');
    expect(stderr).toMatch(/ES256 can rotate in 24 h|ES256 can rotate in 1 d/);
  });

  test('many at once make one rotation', async () => {
    await pass(DAY);
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => cli.run('keys', 'rotate', 'EdDSA')));
    const { rows } = await database.pool.query(
      `SELECT 1 FROM signing_keys WHERE algorithm = 'EdDSA' AND state = 'retiring'`,
    );
    expect(rows).toHaveLength(1);
    expect(outcomes.filter(({ stdout }) => stdout.includes('took over from'))).toHaveLength(1);
  });

  test.each(['cookie-signature', 'password-pepper', 'dpop-nonce'] as const)(
    '%s goes on as soon as every node knows the next one',
    async (what) => {
      const { rotated } = await cli.json('keys', 'rotate', what);
      expect(rotated).toMatchObject([{ what, changed: true, early: false, effect: expect.any(String) }]);
      expect(await lastEvents('secret.rotated')).toMatchObject([
        { actor: 'cli', details: { purpose: what, reason: 'order' } },
      ]);
      const again = await cli.run('keys', 'rotate', what);
      expect(again.stderr).toMatch(new RegExp(`${what} can rotate in 1 min 1\\d s .*--emergency`));
      const { rotated: early } = await cli.json('keys', 'rotate', what, '--emergency');
      const effects = {
        'cookie-signature': /every cookie key of before is deleted: everybody is signed out/,
        'password-pepper': /reads it when it meets a password/,
        'dpop-nonce': /use_dpop_nonce/,
      };
      expect(early).toMatchObject([{ early: true, effect: expect.stringMatching(effects[what]) }]);
    },
  );

  test.each(['csrf', 'refresh-successor', 'HS256'])('%s cannot be rotated', async (what) => {
    expect(await cli.run('keys', 'rotate', what)).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('ES256'),
    });
  });
});

describe('keys revoke', () => {
  test('ends a key, puts the spare in its place and says what relying parties go on believing', async () => {
    const [kid, spare] = [await kidOf('ES256', 'active'), await kidOf('ES256', 'published')];
    const { exitCode, stdout } = await cli.run('keys', 'revoke', kid, '--reason', 'seen in a log');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(
      /is revoked.*within 5 s; a node that is cut off or stalled at this moment, 15 s.*for\s+5 min at most.*supported for 1 d\..*can make tokens/s,
    );
    expect(stdout).toContain(`${spare} signs from now on.`);
    expect(await kidOf('ES256', 'revoked')).toBe(kid);
    expect(await kidOf('ES256', 'active')).toBe(spare);
    expect(await lastEvents('signing_key.revoked')).toMatchObject([
      { actor: 'cli', details: { kid, algorithm: 'ES256', reason: 'seen in a log' } },
    ]);
    expect(await cli.json('keys', 'revoke', kid, '--reason', 'again')).toEqual({ kid, revoked: true, changed: false });
  });

  test('leaves sessions alone unless it is asked to end them', async () => {
    await addSession(60);
    await cli.json('keys', 'revoke', await kidOf('ES256', 'active'), '--reason', 'x');
    expect(await endedSessions()).toEqual([]);
  });

  test('ends the sessions that were used since the key began to sign, and no others', async () => {
    const kid = await kidOf('ES256', 'active');
    await addSession(5 * DAY);
    const expected = [await addSession(600), await addSession(5 * DAY, 600)];
    const outcome = await cli.json('keys', 'revoke', kid, '--reason', 'stolen', '--end-sessions');
    expect(outcome).toMatchObject({ kid, changed: true, sessionsEnded: 2 });
    expect((await endedSessions()).toSorted()).toEqual(expected.toSorted());
    expect(await lastEvents('sessions.ended_with_key')).toEqual([
      { type: 'sessions.ended_with_key', actor: 'cli', details: { kid, sessionsEnded: 2 } },
    ]);
  });

  test('of a key that was revoked before, ends them on request all the same', async () => {
    const kid = await kidOf('ES256', 'active');
    const uid = await addSession(600);
    await cli.json('keys', 'revoke', kid, '--reason', 'stolen');
    const outcome = await cli.json('keys', 'revoke', kid, '--reason', 'stolen', '--end-sessions');
    expect(outcome).toEqual({ kid, revoked: true, changed: false, sessionsEnded: 1 });
    expect(await endedSessions()).toEqual([uid]);
  });

  test('says that the key is revoked when the sessions could not be ended, and ends them when it is repeated', async () => {
    const kid = await kidOf('ES256', 'active');
    const uid = await addSession(600);
    await database.pool.query(`ALTER TABLE user_sessions RENAME TO elsewhere`);
    try {
      const { exitCode, stdout, stderr } = await cli.run('keys', 'revoke', kid, '--reason', 'x', '--end-sessions');
      expect([exitCode, stdout]).toEqual([1, '']);
      expect(stderr).toContain(`${kid} is revoked, but not all sessions are ended. Repeat the command.\n  because: `);
    } finally {
      await database.pool.query(`ALTER TABLE elsewhere RENAME TO user_sessions`);
    }
    expect(await kidOf('ES256', 'revoked')).toBe(kid);
    expect(await endedSessions()).toEqual([]);
    expect(await cli.json('keys', 'revoke', kid, '--reason', 'x', '--end-sessions')).toMatchObject({
      sessionsEnded: 1,
    });
    expect(await endedSessions()).toEqual([uid]);
  });

  test('ends more than one transaction does, each of them on record', async () => {
    const kid = await kidOf('ES256', 'active');
    const { rows } = await database.pool.query<{ id: string }>(
      `INSERT INTO users (id, name, updated_at) VALUES (gen_random_uuid(), 'Somebody', now()) RETURNING id`,
    );
    await database.pool.query(
      `INSERT INTO protocol_artifacts (id, kind, account_id, uid, payload, expires_at)
       SELECT sha256(convert_to('many ' || n, 'UTF8')), 'Session', $1, 'many ' || n,
         json_build_object('iat', extract(epoch FROM now())::bigint), now() + interval '1 day'
       FROM generate_series(1, 1201) AS n`,
      [rows[0]!.id],
    );
    expect(await cli.json('keys', 'revoke', kid, '--reason', 'x', '--end-sessions')).toMatchObject({
      sessionsEnded: 1201,
    });
    const { rows: left } = await database.pool.query(`SELECT 1 FROM protocol_artifacts WHERE revoked_at IS NULL`);
    expect(left).toEqual([]);
    expect(await lastEvents(...new Array(3).fill('sessions.ended_with_key'))).toMatchObject(
      [500, 500, 201].map((sessionsEnded) => ({ details: { kid, sessionsEnded } })),
    );
  });

  test('with a spare, which never signed, there is nothing to end and another spare is published', async () => {
    await addSession(60);
    const kid = await kidOf('EdDSA', 'published');
    expect(await cli.json('keys', 'revoke', kid, '--reason', 'x', '--end-sessions')).toMatchObject({
      sessionsEnded: 0,
    });
    expect(await kidOf('EdDSA', 'published')).not.toBe(kid);
    expect(await endedSessions()).toEqual([]);
  });

  test.each([
    ['an unknown key', ['nobody', '--reason', 'x'], 1, 'There is no key nobody'],
    ['no reason', ['nobody'], 2, '--reason'],
  ])('refuses %s', async (_what, argv, exitCode, message) => {
    expect(await cli.run('keys', 'revoke', ...argv)).toMatchObject({
      exitCode,
      stderr: expect.stringContaining(message),
    });
  });
});

describe('keys rewrap', () => {
  const both = createKeyEncryption([newerKey, olderKey]);

  test('says how many, and which key nothing needs any more', async () => {
    await addNode(both.kekIds);
    const { exitCode, stdout } = await openCommandLine({ keys: administration(both) }).run('keys', 'rewrap');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(
      new RegExp(`under ${both.kekId}.*4 of signing_keys, 8 of server_secrets.*${older.kekId}`, 's'),
    );
    expect(await findKekIds(database.pool)).toEqual([both.kekId]);
  });

  test('names a node that could open nothing any more, and changes nothing', async () => {
    const node = await addNode(older.kekIds);
    const { exitCode, stderr } = await openCommandLine({ keys: administration(both) }).run('keys', 'rewrap');
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      new RegExp(`do not have key-encryption key ${both.kekId}.*node ${node} has ${older.kekId}`, 's'),
    );
    expect(await findKekIds(database.pool)).toEqual([older.kekId]);
  });

  test('fails when a row cannot be opened, and names it', async () => {
    await database.pool.query(`UPDATE server_secrets SET purpose = 'csrf' WHERE current_for = 'dpop-nonce'`);
    const { exitCode, stdout, stderr } = await openCommandLine({ keys: administration(both) }).run('keys', 'rewrap');
    expect(exitCode).toBe(1);
    expect(stdout).toContain('4 of signing_keys, 7 of server_secrets');
    expect(stderr).toMatch(/server_secrets dpop-nonce-\w+ cannot be opened/);
  });
});

test('keys hold keeps clean-up away until it is released', async () => {
  const kid = await kidOf('ES256', 'published');
  expect(await cli.json('keys', 'hold', kid)).toEqual({ kid, held: true, changed: true });
  expect(await cli.json('keys', 'hold', kid)).toMatchObject({ changed: false });
  const { keys: listed } = await cli.json('keys', 'list');
  expect(listed.find((key: { kid: string }) => key.kid === kid)).toMatchObject({ held: true });
  expect(await cli.json('keys', 'hold', kid, '--release')).toEqual({ kid, held: false, changed: true });
  expect(await cli.run('keys', 'hold', 'nobody')).toMatchObject({ exitCode: 1 });
});

test('K6 `keys move` ends the keys of another issuer and says whose they were; done twice, it does nothing', async () => {
  await database.pool.query("UPDATE key_set_version SET issuer = 'https://old.example.com'");
  const { stdout } = await cli.run('keys', 'move');
  expect(stdout).toContain(
    '4 keys of https://old.example.com are revoked. https://id.example.com has keys of its own.',
  );
  expect((await cli.run('keys', 'move')).stdout).toContain('Nothing was changed.');
  expect(await cli.json('keys', 'move')).toEqual({ issuer: ISSUER, from: ISSUER, revoked: [] });
});

describe('a name that begins like an option', () => {
  // `-h` by itself asks for help.
  const names = ['-', '--', '-h', '--json', '-_'].map((start) =>
    start.padEnd(43, 'hXdTfpN5-n9hncj3CofAlEZYJsnObw-a3EmHbY4nb4Z'),
  );

  test.each(names)('is a name all the same: %s', async (kid) => {
    const insert = `INSERT INTO signing_keys (kid, algorithm, state, public_jwk, kek_id) VALUES ($1, 'ES256', 'archived', '{}', 'x')`;
    await database.pool.query(insert, [kid]);
    expect(await cli.json('keys', 'hold', kid)).toEqual({ kid, held: true, changed: true });
    expect(await cli.json('keys', 'hold', kid, '--release')).toEqual({ kid, held: false, changed: true });
    const revoked = await cli.json('keys', 'revoke', '--end-sessions', kid, '--reason', names[2]!);
    expect(revoked).toMatchObject({ kid, changed: true });
    expect(await lastEvents('signing_key.revoked')).toMatchObject([{ details: { kid, reason: names[2] } }]);
    expect(await cli.run('keys', 'revoke', '--reason', 'x', '--', kid)).toMatchObject({ exitCode: 0 });
  });
});
