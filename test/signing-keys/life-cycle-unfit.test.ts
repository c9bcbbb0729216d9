import { describe, expect, test } from '@jest/globals';
import type { Change, KeyRecord, KeyState } from '../../src/signing-keys/key-record.ts';
import { advance, revoke, rotate, UNFIT_REASON } from '../../src/signing-keys/life-cycle.ts';
import { DEFAULT_KEY_POLICY } from '../../src/signing-keys/timing.ts';

const policy = { ...DEFAULT_KEY_POLICY, cacheSupport: 1000, hintRetention: 5000, rotationPeriod: 100_000 };
const T0 = 1_000_000_000;
const at = (seconds: number) => T0 + 1000 * seconds;

function key(kid: string, state: KeyState, more: Partial<KeyRecord> = {}): KeyRecord {
  const times = { createdAt: T0, publishedAt: T0, ...(state === 'active' && { activatedAt: T0 }) };
  const rest = { tokenLifetime: 600, hasPrivateHalf: true, activatedEarly: false, held: false };
  return { kid, algorithm: 'ES256', state, ...times, ...rest, ...more };
}

const made = (kid: string) => ({ kid, algorithm: 'ES256' as const, tokenLifetime: 600 });

function following(keys: KeyRecord[], { keys: changed }: Change): KeyRecord[] {
  return [...new Map([...keys, ...changed].map((one) => [one.kid, one])).values()];
}

const statesOf = (keys: readonly KeyRecord[]) => Object.fromEntries(keys.map(({ kid, state }) => [kid, state]));
function changeOf(outcome: ReturnType<typeof rotate> | ReturnType<typeof revoke>): Change {
  if (outcome.kind !== 'changed') throw new Error(JSON.stringify(outcome));
  return outcome.change;
}

describe('a spare that cannot be used', () => {
  const unfit = new Set(['s']);
  const due = [key('a', 'active'), key('s', 'published')];

  test('ends when anything is due, and what was made takes its place and waits until it is warm', () => {
    const change = advance(due, at(100_000), policy, [made('m')], unfit);
    expect(statesOf(following(due, change))).toEqual({ a: 'active', s: 'revoked', m: 'published' });
    expect(change.events).toContainEqual({ kind: 'revoked', kid: 's', algorithm: 'ES256', reason: UNFIT_REASON });
    expect(advance(following(due, change), at(100_000), policy, [], unfit)).toEqual({ keys: [], events: [] });
  });

  test('is not what an order takes', () => {
    const order = { algorithm: 'ES256' as const, expectedActive: 'a', made: [made('m')], unfit };
    expect(rotate(due, at(50_000), policy, { ...order, emergency: false })).toEqual({
      kind: 'refused',
      reason: 'no_spare',
    });
    const rotated = changeOf(rotate(due, at(50_000), policy, { ...order, emergency: true }));
    expect(statesOf(following(due, rotated))).toEqual({ a: 'retiring', s: 'revoked', m: 'active' });
    const revoked = changeOf(revoke(due, at(50_000), policy, { kid: 'a', reason: 'x', made: [made('m')], unfit }));
    expect(statesOf(following(due, revoked))).toEqual({ a: 'revoked', s: 'revoked', m: 'active' });
  });

  test('is no reason to end a key that signs, or one of another algorithm', () => {
    const keys = [...due, key('o', 'published', { algorithm: 'EdDSA' })];
    const order = { algorithm: 'ES256' as const, expectedActive: 'a', emergency: true, unfit: new Set(['o', 'a']) };
    const change = changeOf(rotate(keys, at(50_000), policy, order));
    expect(statesOf(following(keys, change))).toEqual({ a: 'retiring', s: 'active', o: 'published' });
  });
});
