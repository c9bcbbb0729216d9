import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { isStale } from '../../src/upstreams/stale-sign-in.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { BROWSER, BY, openNode } from './sign-ins-fixtures.ts';

let database: TestDatabase;
let node: ReturnType<typeof openNode>;
beforeAll(async () => {
  database = await openTestDatabase();
  node = openNode(database);
});
afterAll(async () => {
  await node.close();
  await database.close();
});
beforeEach(async () => {
  await database.pool.query('DELETE FROM upstream_attempts');
  await database.pool.query('DELETE FROM upstream_connections');
  node.google.finished.length = 0;
  node.google.outcome = () => ({ kind: 'identified', identity: { provider: 'google', subject: '1' } });
});

const expire = () => database.pool.query('UPDATE upstream_attempts SET expires_at = created_at');
const answerFor = (state: string) => new URLSearchParams({ code: 'c', state });

describe('S-095 a journey is of one browser', () => {
  test.each(['browser-2', '', ' ', `${BROWSER} `, BROWSER.toUpperCase()])('%j cannot end it', async (browser) => {
    const state = await node.begin('i-1');
    const journey = { provider: 'google', interaction: 'i-1', browser, response: answerFor(state) };
    expect(await node.signIns.finish(journey, BY)).toEqual({ kind: 'foreign' });
    expect(node.google.finished).toEqual([]);
    // Nothing was used up: the one that left can.
    expect(await node.finish('i-1', state)).toMatchObject({ kind: 'identified' });
  });
});

describe('fateOf', () => {
  const fateOf = (state: string, changes: Partial<Parameters<typeof node.signIns.fateOf>[0]> = {}) =>
    node.signIns.fateOf({ provider: 'google', interaction: 'i-1', browser: BROWSER, state, ...changes });

  test('is undefined while a journey is under way, and looking spends nothing', async () => {
    const state = await node.begin('i-1');
    for (let time = 0; time < 3; time++) expect(await fateOf(state)).toBeUndefined();
    expect(await node.finish('i-1', state)).toMatchObject({ kind: 'identified' });
  });

  test('is spent once it was used, also long after', async () => {
    const state = await node.begin('i-1');
    await node.finish('i-1', state);
    expect(await fateOf(state)).toBe('spent');
    await expire();
    expect(await fateOf(state)).toBe('spent');
  });

  test('is expired when it was too late', async () => {
    const state = await node.begin('i-1');
    await expire();
    expect(await fateOf(state)).toBe('expired');
  });

  test('of a disabled connection is not told; once it is enabled it is expired', async () => {
    const state = await node.begin('i-1');
    await node.connections.disable('google', BY);
    expect(await fateOf(state)).toBeUndefined();
    await node.connections.enable('google', BY);
    expect(await fateOf(state)).toBe('expired');
  });

  test.each([
    ['of another provider', { provider: 'discord' }],
    ['of another interaction', { interaction: 'i-2' }],
    ['of another browser', { browser: 'browser-2' }],
    ['with a state that was made up', { state: 'x'.repeat(43) }],
    ['without a state', { state: '' }],
  ])('is told to nobody who asks for a journey %s', async (_, changes) => {
    const state = await node.begin('i-1');
    await node.finish('i-1', state);
    expect(await fateOf(state, changes)).toBeUndefined();
    await expire();
    expect(await fateOf(state, changes)).toBeUndefined();
  });
});

describe('S-103 the link that a journey was begun for', () => {
  test('comes back with it, and is nowhere to be read meanwhile', async () => {
    const journey = { provider: 'google', interaction: 'i-1', browser: BROWSER };
    const begun = await node.signIns.begin({ ...journey, request: { freshSignIn: true }, link: 'link-of-somebody' });
    if (begun.kind !== 'redirect') throw new Error(begun.kind);
    expect(begun.url).not.toContain('link-of-somebody');
    const { rows } = await database.pool.query('SELECT * FROM upstream_attempts');
    const stored = Object.values(rows[0]).map((value) => (Buffer.isBuffer(value) ? value.toString('latin1') : value));
    expect(stored.join(' ')).not.toContain('link-of-somebody');
    const state = new URL(begun.url).searchParams.get('state')!;
    const outcome = await node.signIns.finish({ ...journey, response: answerFor(state) }, BY);
    expect(outcome).toMatchObject({ kind: 'identified', link: 'link-of-somebody' });
    expect(node.google.finished[0]!.attempt).not.toHaveProperty('link');
  });

  test('is none where there was none, whatever the answer says', async () => {
    const state = await node.begin('i-1');
    const response = new URLSearchParams({ code: 'c', state, link: 'link-of-somebody' });
    const outcome = await node.signIns.finish(
      { provider: 'google', interaction: 'i-1', browser: BROWSER, response },
      BY,
    );
    expect(outcome).not.toHaveProperty('link');
  });
});

describe('S-016 when somebody signed in there', () => {
  const now = () => Math.floor(Date.now() / 1000);

  async function finishAs(authTime: number | undefined, request: { freshSignIn: boolean; maxAge?: number }) {
    node.google.outcome = () => ({
      kind: 'identified',
      identity: { provider: 'google', subject: '1', ...(authTime !== undefined && { authTime }) },
    });
    const journey = { provider: 'google', interaction: 'i-1', browser: BROWSER };
    const begun = await node.signIns.begin({ ...journey, request });
    if (begun.kind !== 'redirect') throw new Error(begun.kind);
    const response = answerFor(new URL(begun.url).searchParams.get('state')!);
    return node.signIns.finish({ ...journey, response }, BY);
  }

  test.each([
    ['a fresh sign-in', { freshSignIn: true }, -3600],
    ['an hour', { freshSignIn: false, maxAge: 3600 }, -7200],
  ])('too long ago for %s is no answer, whichever provider says so', async (_, request, age) => {
    expect(await finishAs(now() + age, request)).toEqual({ kind: 'failed', reason: 'stale_sign_in' });
    expect(await finishAs(now(), request)).toMatchObject({ kind: 'identified' });
    // Nothing is said: what that is worth is decided by who knows the account.
    expect(await finishAs(undefined, request)).toMatchObject({ kind: 'identified' });
  });

  test('is measured from when the journey began, with a minute for clocks', () => {
    const attempt = (request: { freshSignIn: boolean; maxAge?: number }) =>
      ({ request, startedAt: 1_000_000 }) as never;
    const fresh = { freshSignIn: true };
    expect([999_939, 999_940, 1_000_500].map((at) => isStale(at, attempt(fresh), 1_000_500))).toEqual([
      true,
      false,
      false,
    ]);
    const hour = { freshSignIn: false, maxAge: 3600 };
    expect([996_839, 996_840].map((at) => isStale(at, attempt(hour), 1_000_500))).toEqual([true, false]);
  });
});

test('S-100 a connection that was disabled and enabled while the upstream was asked lets nobody in', async () => {
  const state = await node.begin('i-1');
  node.google.outcome = async () => {
    await node.connections.disable('google', BY);
    await node.connections.enable('google', BY);
    return { kind: 'identified', identity: { provider: 'google', subject: '1' } };
  };
  expect(await node.finish('i-1', state)).toEqual({ kind: 'disabled' });
});
