import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { UpstreamOutcome } from '../../src/upstreams/upstream.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { BROWSER, openNode } from './sign-ins-fixtures.ts';

let database: TestDatabase;
let node: ReturnType<typeof openNode>;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(async () => {
  await node.close();
  await database.close();
});
beforeEach(async () => {
  await node?.close();
  await database.pool.query('DELETE FROM upstream_attempts');
  await database.pool.query('DELETE FROM upstream_connections');
  node = openNode(database);
});

const rows = async () => (await database.pool.query('SELECT * FROM upstream_attempts')).rows;
const age = (seconds: number) =>
  database.pool.query("UPDATE upstream_attempts SET expires_at = expires_at - $1 * interval '1 second'", [seconds]);

describe('the way there', () => {
  test('S-095 has a state, nonce and verifier of its own each time, and the address of its provider', async () => {
    await node.begin('i-1');
    await node.begin('i-1');
    await node.begin('i-1', 'discord');
    const attempts = [...node.google.begun, ...node.discord.begun];
    const values = attempts.flatMap(({ state, nonce, codeVerifier }) => [state, nonce, codeVerifier]);
    expect(new Set(values).size).toBe(9);
    for (const value of values) expect(value).toMatch(/^[\w-]{43}$/);
    expect(attempts.map(({ redirectUri }) => redirectUri)).toEqual([
      'https://id.example/callback/google',
      'https://id.example/callback/google',
      'https://id.example/callback/discord',
    ]);
  });

  test('S-095 ends after ten minutes', async () => {
    await node.begin('i-1');
    const { rows: lifetimes } = await database.pool.query(
      'SELECT extract(epoch FROM expires_at - created_at)::int AS seconds FROM upstream_attempts',
    );
    expect(lifetimes).toEqual([{ seconds: 600 }]);
  });

  test('is unknown to a provider that is not configured', async () => {
    const request = { freshSignIn: false };
    const begin = (provider: string) => node.signIns.begin({ provider, interaction: 'i-1', browser: BROWSER, request });
    for (const provider of ['github', '', '__proto__', 'Google']) {
      expect(await begin(provider)).toEqual({ kind: 'unknown_provider' });
    }
  });

  test('what the database keeps is of no use: no state, no interaction, nothing readable', async () => {
    const state = await node.begin('interaction-uid');
    const { nonce, codeVerifier } = node.google.begun[0]!;
    const [row] = await rows();
    const stored = Object.values(row!)
      .map((value) => (Buffer.isBuffer(value) ? `${value.toString('latin1')} ${value.toString('hex')}` : String(value)))
      .join(' ');
    for (const secret of [state, nonce, codeVerifier, 'interaction-uid']) expect(stored).not.toContain(secret);
  });
});

describe('the way back', () => {
  test('brings to the upstream what was begun, word for word', async () => {
    const request = { loginHint: 'a@b.example', uiLocales: ['ko', 'en'], maxAge: 0, freshSignIn: true };
    await node.signIns.begin({ provider: 'google', interaction: 'i-1', browser: BROWSER, request });
    const [begun] = node.google.begun;
    expect(begun!.request).toEqual(request);
    expect(await node.finish('i-1', begun!.state)).toEqual({
      kind: 'identified',
      identity: { provider: 'google', subject: '1' },
    });
    expect(node.google.finished).toEqual([{ attempt: begun, response: expect.any(URLSearchParams) }]);
  });

  test('finds its interaction without spending anything, also late, again, or at another provider', async () => {
    const state = await node.begin('i-1');
    expect(await node.signIns.interactionOf('google', state)).toBe('i-1');
    expect(await node.signIns.interactionOf('discord', state)).toBe('i-1');
    expect(await node.finish('i-1', state)).toMatchObject({ kind: 'identified' });
    expect(await node.signIns.interactionOf('google', state)).toBe('i-1');
    await age(3600);
    expect(await node.signIns.interactionOf('google', state)).toBe('i-1');
  });

  test.each(['', 'made-up', 'A'.repeat(43), '\u0000', 'x'.repeat(100_000)])(
    'S-095 a state that nobody was given is of no interaction (%#)',
    async (state) => {
      await node.begin('i-1');
      expect(await node.signIns.interactionOf('google', state)).toBeUndefined();
      expect(await node.finish('i-1', state)).toEqual({ kind: 'foreign' });
      expect(node.google.finished).toEqual([]);
    },
  );

  test('S-095 a response without a state is foreign', async () => {
    expect(await node.finish('i-1', undefined)).toEqual({ kind: 'foreign' });
  });

  test('S-095 works once', async () => {
    const state = await node.begin('i-1');
    expect(await node.finish('i-1', state)).toMatchObject({ kind: 'identified' });
    expect(await node.finish('i-1', state)).toEqual({ kind: 'spent' });
    expect(node.google.finished).toHaveLength(1);
  });

  test('S-095 works once also when the upstream failed: the code may have been spent there', async () => {
    node.google.outcome = () => ({ kind: 'failed', reason: 'timeout' });
    const state = await node.begin('i-1');
    expect(await node.finish('i-1', state)).toEqual({ kind: 'failed', reason: 'timeout' });
    expect(await node.finish('i-1', state)).toEqual({ kind: 'spent' });
  });

  test('S-095 works for ten minutes', async () => {
    const [early, late] = [await node.begin('i-1'), await node.begin('i-1')];
    await age(590);
    expect(await node.finish('i-1', early)).toMatchObject({ kind: 'identified' });
    await age(10);
    expect(await node.finish('i-1', late)).toEqual({ kind: 'expired' });
    expect(node.google.finished).toHaveLength(1);
  });

  test('S-096 of one provider is refused by another, and not spent by that', async () => {
    const state = await node.begin('i-1', 'google');
    expect(await node.finish('i-1', state, 'discord')).toEqual({ kind: 'foreign' });
    expect(await node.finish('i-1', state, 'github')).toEqual({ kind: 'foreign' });
    expect([...node.google.finished, ...node.discord.finished]).toEqual([]);
    expect(await node.finish('i-1', state)).toMatchObject({ kind: 'identified' });
  });

  test('S-095 of one interaction is refused in another, and not spent by that', async () => {
    const state = await node.begin('i-1');
    expect(await node.finish('i-2', state)).toEqual({ kind: 'foreign' });
    expect(await node.finish('i-1', state)).toMatchObject({ kind: 'identified' });
  });

  test('S-095 opens no row that was moved or altered', async () => {
    const [one, other] = [await node.begin('i-1'), await node.begin('i-1')];
    await database.pool.query(
      `UPDATE upstream_attempts a SET sealed = b.sealed FROM upstream_attempts b WHERE a.id <> b.id`,
    );
    for (const state of [one, other]) await expect(node.finish('i-1', state)).rejects.toThrow();
    expect(node.google.finished).toEqual([]);
  });
});

describe('S-100 a connection that is disabled', () => {
  const BY = { actor: 'cli' };

  test('begins nothing and lets nobody back in who is under way', async () => {
    const state = await node.begin('i-1');
    expect(await node.connections.disable('google', BY)).toBe('done');
    const request = { freshSignIn: false };
    expect(await node.signIns.begin({ provider: 'google', interaction: 'i-2', browser: BROWSER, request })).toEqual({
      kind: 'disabled',
    });
    expect(await node.finish('i-1', state)).toEqual({ kind: 'disabled' });
    expect(node.google.finished).toEqual([]);
    expect(await rows()).toHaveLength(1);
  });

  test('asks the upstream about nobody whose journey was stored while it was being disabled', async () => {
    const state = await node.begin('i-1');
    await node.connections.disable('google', BY);
    await database.pool.query(`UPDATE upstream_attempts SET expires_at = now() + interval '10 minutes'`);
    expect(await node.finish('i-1', state)).toEqual({ kind: 'disabled' });
    expect(node.google.finished).toEqual([]);
  });

  test('lets nobody in either whom the upstream is just being asked about', async () => {
    const state = await node.begin('i-1');
    node.google.outcome = async () => {
      await node.connections.disable('google', BY);
      return { kind: 'identified', identity: { provider: 'google', subject: '1' } };
    };
    expect(await node.finish('i-1', state)).toEqual({ kind: 'disabled' });
  });

  test('costs the other providers nothing', async () => {
    const state = await node.begin('i-1', 'discord');
    await node.connections.disable('google', BY);
    expect(await node.finish('i-1', state, 'discord')).toMatchObject({ kind: 'identified' });
  });

  test('works again once it is enabled, but not for those who were under way: their journey ended', async () => {
    const state = await node.begin('i-1');
    await node.connections.disable('google', BY);
    expect(await node.finish('i-1', state)).toEqual({ kind: 'disabled' });
    await node.connections.enable('google', BY);
    expect(await node.finish('i-1', state)).toEqual({ kind: 'expired' });
    expect(await node.finish('i-1', await node.begin('i-1'))).toMatchObject({ kind: 'identified' });
  });

  test('leaves the list of buttons within 250 ms, while its name is still known', async () => {
    let now = 0;
    node = openNode(database, { now: () => now });
    const both = [
      { provider: 'google', displayName: 'Google' },
      { provider: 'discord', displayName: 'Discord' },
    ];
    expect(await node.signIns.list()).toEqual(both);
    await node.connections.disable('google', BY);
    expect(await node.signIns.list()).toEqual(both);
    now = 250;
    expect(await node.signIns.list()).toEqual([both[1]]);
    expect(node.signIns.find('google')).toEqual(both[0]);
    expect(node.signIns.find('github')).toBeUndefined();
  });
});

test('S-175 what failed is on record, by codes alone; what worked or was cancelled is not', async () => {
  const recorded = async () =>
    (await database.pool.query('SELECT type, address, request_id, details FROM audit_events ORDER BY id')).rows;
  const before = await recorded();
  const state = await node.begin('i-1');
  await node.finish('i-1', state);
  await node.finish('i-1', state);
  await node.finish('i-1', 'made-up');
  await node.finish('i-2', state);
  node.google.outcome = () => ({ kind: 'denied' });
  await node.finish('i-1', await node.begin('i-1'));
  node.google.outcome = () => ({ kind: 'failed', reason: 'refused', problem: '/token answered 401 invalid_client' });
  await node.finish('i-1', await node.begin('i-1'));
  const events = (await recorded()).slice(before.length);
  expect(events.map(({ details }) => details)).toEqual([
    { provider: 'google', reason: 'spent' },
    { provider: 'google', reason: 'foreign' },
    { provider: 'google', reason: 'refused', problem: '/token answered 401 invalid_client' },
  ]);
  expect(events[0]).toMatchObject({ type: 'upstream.sign_in_failed', address: '192.0.2.7', request_id: 'r-1' });
});

describe('a journey that shall prove the account of a link', () => {
  async function finishWith(outcome: UpstreamOutcome) {
    const journey = { provider: 'google', interaction: 'i-1', browser: BROWSER };
    const begun = await node.signIns.begin({ ...journey, request: { freshSignIn: true }, link: 'the-link' });
    const state = new URL((begun as { url: string }).url).searchParams.get('state')!;
    node.google.outcome = () => outcome;
    return node.signIns.finish({ ...journey, response: new URLSearchParams({ code: 'c', state }) }, {});
  }

  test('says which, and at which version of the connection', async () => {
    await node.connections.disable('google', {});
    await node.connections.enable('google', {});
    const identity = { provider: 'google', subject: '1' };
    expect(await finishWith({ kind: 'identified', identity })).toEqual({
      ...{ kind: 'identified', identity, link: 'the-link', connectionVersion: 2 },
    });
  });

  test.each<[UpstreamOutcome, object]>([
    [{ kind: 'denied' }, { kind: 'denied' }],
    [
      { kind: 'failed', reason: 'refused' },
      { kind: 'failed', reason: 'refused' },
    ],
    [
      { kind: 'identified', identity: { provider: 'google', subject: '1', authTime: 1 } },
      { kind: 'failed', reason: 'stale_sign_in' },
    ],
  ])('S-103 says which also when it proves nothing: %j', async (outcome, expected) => {
    expect(await finishWith(outcome)).toEqual({ ...expected, link: 'the-link' });
  });
});

describe('S-106 a provider that throws has failed, and it is recorded', () => {
  const recorded = async () => {
    await node.close();
    const where = { type: 'upstream.sign_in_failed' };
    const rows = await database.prisma.auditEvent.findMany({ where, orderBy: { id: 'desc' }, take: 1 });
    return rows[0]?.details;
  };

  test('on the way back', async () => {
    node.google.outcome = () => {
      throw new TypeError('a mistake in it, with a secret');
    };
    const failure = { reason: 'invalid_response', problem: 'unexpected TypeError' };
    expect(await node.finish('i-1', await node.begin('i-1'))).toEqual({ kind: 'failed', ...failure });
    expect(await recorded()).toMatchObject(failure);
  });

  test('on the way there', async () => {
    node.google.begin = async () => {
      throw new TypeError('a mistake in it');
    };
    const journey = { provider: 'google', interaction: 'i-1', browser: BROWSER, request: { freshSignIn: false } };
    expect(await node.signIns.begin(journey)).toEqual({ kind: 'failed' });
    expect(await recorded()).toMatchObject({ problem: 'unexpected TypeError' });
  });
});
