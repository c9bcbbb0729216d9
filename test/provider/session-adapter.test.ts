import { expect, test } from '@jest/globals';
import { isMereTouch } from '../../src/provider/artifact-foresight.ts';
import type { Adapter, AdapterPayload } from '../../src/provider/engine.ts';
import { epochTime } from '../../src/provider/lifetimes.ts';
import { endingAfter } from '../../src/provider/session-adapter.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;

function over(stored?: AdapterPayload) {
  const saved: AdapterPayload[] = [];
  const sessions = {
    find: async () => stored,
    findByUid: async () => stored,
    upsert: async (_id: string, payload: AdapterPayload) => void saved.push(payload),
  } as unknown as Adapter;
  return { sessions, saved };
}

/** Signed in and last used so long ago, and stored with an end that is far away. */
function session({ signedIn, used }: { signedIn: number; used?: number }): AdapterPayload {
  const now = epochTime();
  return { accountId: 'a', loginTs: now - signedIn, exp: now + DAY, ...(used !== undefined && { iat: now - used }) };
}

test.each<[string, AdapterPayload, number | undefined, boolean]>([
  ['used a moment ago', session({ signedIn: 5 * HOUR, used: 60 }), HOUR, true],
  ['not used for longer', session({ signedIn: 5 * HOUR, used: HOUR + 1 }), HOUR, false],
  [
    'not used for longer, where sessions end with their lifetime only',
    session({ signedIn: 5 * HOUR, used: HOUR + 1 }),
    undefined,
    true,
  ],
  ['stored without a time, and signed in before', session({ signedIn: 5 * HOUR }), HOUR, false],
  ['used a moment ago, and signed in too long ago', session({ signedIn: 11 * DAY, used: 1 }), HOUR, false],
])('S-152 a session %s', async (_, stored, idle, alive) => {
  const adapter = endingAfter(over(stored).sessions, 10 * DAY, idle);
  const found = [await adapter.find('id'), await adapter.findByUid('uid')];
  expect(found.map((one) => one !== undefined)).toEqual([alive, alive]);
});

test('S-152 a session that is found ends when it will have been unused for so long', async () => {
  const stored = session({ signedIn: 5 * HOUR, used: 600 });
  const found = (await endingAfter(over(stored).sessions, 10 * DAY, HOUR).find('id')) as AdapterPayload;
  expect(found.exp).toBe(stored.iat! + HOUR);
});

test('storing a session notes that it is used', async () => {
  const { sessions, saved } = over();
  const before = epochTime();
  await endingAfter(sessions, DAY, HOUR).upsert('id', session({ signedIn: HOUR, used: HOUR }), HOUR);
  expect(saved[0]!.iat).toBeGreaterThanOrEqual(before);
});

test('a session that was not loaded by this request is no mere touch', () => {
  expect(isMereTouch('id', session({ signedIn: 1, used: 1 }), HOUR)).toBe(false);
});
