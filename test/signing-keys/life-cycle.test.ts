import { describe, expect, test } from '@jest/globals';
import { type Change, type KeyRecord, type KeyState, viewOf } from '../../src/signing-keys/key-record.ts';
import {
  advance,
  extendTokenLifetime,
  missingKeys,
  nextTransitionAt,
  revoke,
  rotate,
} from '../../src/signing-keys/life-cycle.ts';
import { DEFAULT_KEY_POLICY, warmUp } from '../../src/signing-keys/timing.ts';

/** Seconds: M 300, C 1000, D 15, S 60, H 5000, T 100 000. */
const policy = { ...DEFAULT_KEY_POLICY, cacheSupport: 1000, hintRetention: 5000, rotationPeriod: 100_000 };
const W = 1000 + 15 + 60;
const L = 600;
const T0 = 1_000_000_000;
const at = (seconds: number) => T0 + 1000 * seconds;

function key(kid: string, state: KeyState, more: Partial<KeyRecord> = {}): KeyRecord {
  return {
    kid,
    algorithm: 'ES256',
    state,
    hasPrivateHalf: ['staged', 'published', 'active', 'retiring'].includes(state),
    tokenLifetime: L,
    activatedEarly: false,
    held: false,
    createdAt: T0,
    ...more,
  };
}

const active = (more: Partial<KeyRecord> = {}) => key('a', 'active', { publishedAt: T0, activatedAt: T0, ...more });
const spare = (more: Partial<KeyRecord> = {}) => key('s', 'published', { publishedAt: T0, ...more });
const retiring = (kid = 'r', more: Partial<KeyRecord> = {}) =>
  key(kid, 'retiring', { publishedAt: T0 - 1, activatedAt: T0 - 1, retiredAt: T0, ...more });
const made = (kid: string) => ({ kid, algorithm: 'ES256' as const, tokenLifetime: L });

function following(keys: KeyRecord[], { keys: changed }: Change): KeyRecord[] {
  const rows = new Map([...keys, ...changed].map((one) => [one.kid, one]));
  return [...rows.values()];
}

const statesOf = (keys: readonly KeyRecord[]) => Object.fromEntries(keys.map(({ kid, state }) => [kid, state]));
const eventsOf = ({ events }: Change) => events.map(({ kind, kid }) => `${kind} ${kid}`);
function changeOf(outcome: ReturnType<typeof rotate> | ReturnType<typeof revoke>): Change {
  if (outcome.kind !== 'changed') throw new Error(JSON.stringify(outcome));
  return outcome.change;
}

describe('what is due', () => {
  test.each<[string, KeyRecord[], number, Record<string, string>]>([
    ['the key that signs has signed for T', [active(), spare()], 100_000, { a: 'retiring', s: 'active' }],
    ['K3 it has, and the spare is not warm', [active(), spare({ publishedAt: at(99_000) })], 100_000, {}],
    [
      'K3 the spare gets warm later',
      [active(), spare({ publishedAt: at(99_000) })],
      99_000 + W,
      { a: 'retiring', s: 'active' },
    ],
    ['nothing a moment earlier', [active(), spare()], 99_999.999, {}],
    ['a staged key where no spare is', [active(), key('n', 'staged')], 1, { n: 'published' }],
    ['a staged key beside a spare waits', [active(), spare(), key('n', 'staged')], 1, {}],
    ['K5 all that a retired key signed has expired', [active(), retiring()], 15 + L + 60, { r: 'archived' }],
    ['K5 a moment earlier it has not', [active(), retiring('r', { hasPrivateHalf: false })], 15 + L + 59.999, {}],
    ['hints end', [active(), key('h', 'archived', { archivedAt: T0 })], 5000, { h: 'destroyed' }],
    ['a moment earlier they do not', [active(), key('h', 'archived', { archivedAt: T0 })], 4999.999, {}],
    ['nothing of a revoked key', [active(), key('x', 'revoked', { revokedAt: T0 })], 1e9, {}],
    ['nothing of a destroyed one', [active(), key('x', 'destroyed', { destroyedAt: T0 })], 1e9, {}],
    [
      'K11 two are still retiring',
      [active(), spare(), retiring('r', { retiredAt: at(99_800) }), retiring('q', { retiredAt: at(99_900) })],
      100_000,
      {},
    ],
    [
      'K11 one of them is not any more',
      [active(), spare(), retiring('r', { retiredAt: at(99_800) }), retiring('q', { retiredAt: at(99_900) })],
      99_800 + 15 + L + 60,
      { a: 'retiring', s: 'active', r: 'archived' },
    ],
    ['nobody signs, and the spare does', [spare()], 5, { s: 'active' }],
    ['K14 a held key stays published', [active(), retiring('r', { held: true })], 1e6, {}],
    ['K14 a held key stays a hint', [active(), key('h', 'archived', { archivedAt: T0, held: true })], 1e6, {}],
  ])('%s', (_name, keys, seconds, expected) => {
    const change = advance(keys, at(seconds), policy);
    const moved = change.keys.filter((one) => keys.find(({ kid }) => kid === one.kid)?.state !== one.state);
    expect(statesOf(moved)).toEqual(expected);
    // It knew when; and a second time there is nothing left.
    expect(nextTransitionAt(keys, policy) <= at(seconds)).toBe(change.keys.length > 0);
    expect(advance(following(keys, change), at(seconds), policy)).toEqual({ keys: [], events: [] });
  });

  test('the private half goes D + S after the last signature, long before the key set loses the key', () => {
    const keys = [active(), retiring()];
    expect(nextTransitionAt(keys, policy)).toBe(at(15 + 60));
    expect(advance(keys, at(74.999), policy).keys).toEqual([]);
    const change = advance(keys, at(75), policy);
    expect(change.keys).toEqual([retiring('r', { hasPrivateHalf: false })]);
    expect(eventsOf(change)).toEqual(['erased r']);
    expect(nextTransitionAt(following(keys, change), policy)).toBe(at(15 + L + 60));
  });

  test('who comes much too late does one step after the other, and hints are kept for their whole time', () => {
    const change = advance([active(), retiring()], at(50_000), policy);
    expect(eventsOf(change)).toEqual(['erased r', 'archived r']);
    expect(change.keys).toEqual([retiring('r', { state: 'archived', hasPrivateHalf: false, archivedAt: at(50_000) })]);
  });

  test('K14 a held key that signs gets its successor all the same', () => {
    const change = advance([active({ held: true }), spare()], at(100_000), policy);
    expect(statesOf(change.keys)).toEqual({ a: 'retiring', s: 'active' });
    expect(advance(following([active(), spare()], change), at(200_000), policy, []).keys).toEqual([]);
  });
});

describe('new keys', () => {
  test('the first of an algorithm signs at once, and is not early; the second is its spare', () => {
    expect(missingKeys([], ['ES256', 'EdDSA'])).toEqual(['ES256', 'EdDSA']);
    const first = advance([], T0, policy, [made('a')]);
    expect(eventsOf(first)).toEqual(['staged a', 'published a', 'activated a']);
    expect(first.keys).toEqual([active()]);
    expect(missingKeys(first.keys, ['ES256', 'EdDSA'])).toEqual(['ES256', 'EdDSA']);
    const second = advance(first.keys, at(3), policy, [made('s')]);
    expect(second.keys).toEqual([spare({ createdAt: at(3), publishedAt: at(3) })]);
    expect(missingKeys(following(first.keys, second), ['ES256'])).toEqual([]);
  });

  test.each<[string, KeyRecord[], string]>([
    ['another node was faster', [active(), spare()], 'n'],
    ['K6 the name is known', [active(), key('n', 'destroyed')], 'n'],
    ['K6 the name was revoked', [active(), key('n', 'revoked')], 'n'],
  ])('one is not taken when %s', (_name, keys, kid) => {
    expect(advance(keys, at(1), policy, [made(kid)]).keys).toEqual([]);
  });

  test('only the record is kept of what is handed over', () => {
    const { keys } = advance([active()], T0, policy, [{ ...made('n'), privateKey: 'secret' } as never]);
    expect(JSON.stringify(keys)).not.toContain('secret');
  });

  test('after a rotation the next spare is published in the same change', () => {
    const change = advance([active(), spare()], at(100_000), policy, [made('n')]);
    expect(statesOf(change.keys)).toEqual({ a: 'retiring', s: 'active', n: 'published' });
    expect(eventsOf(change)).toEqual(['retired a', 'activated s', 'staged n', 'published n']);
  });

  test('each algorithm lives by itself (K1, K6)', () => {
    const other = { ...made('e'), algorithm: 'EdDSA' as const };
    const change = advance([active(), spare()], at(100_000), policy, [other]);
    expect(statesOf(change.keys)).toEqual({ a: 'retiring', s: 'active', e: 'active' });
  });
});

describe('an ordered rotation', () => {
  const order = { algorithm: 'ES256' as const, expectedActive: 'a', emergency: false };

  test('makes the warm spare sign', () => {
    const change = changeOf(rotate([active(), spare()], at(W), policy, { ...order, made: [made('n')] }));
    expect(statesOf(change.keys)).toEqual({ a: 'retiring', s: 'active', n: 'published' });
    expect(change.keys.find(({ kid }) => kid === 's')).toMatchObject({ activatedAt: at(W), activatedEarly: false });
    expect(change.keys.find(({ kid }) => kid === 'a')).toMatchObject({ retiredAt: at(W), hasPrivateHalf: true });
  });

  test('K9 the second of two that saw the same key is superseded', () => {
    const keys = [active(), spare()];
    const rotated = following(keys, changeOf(rotate(keys, at(W), policy, { ...order, made: [made('n')] })));
    const again = { ...order, emergency: true, made: [made('m')] };
    expect(rotate(rotated, at(W), policy, again)).toEqual({ kind: 'refused', reason: 'superseded' });
  });

  test.each<[string, KeyRecord[], object, object]>([
    ['K3 the spare is young', [active(), spare()], {}, { reason: 'too_early', notBefore: at(W) }],
    ['there is no spare', [active()], {}, { reason: 'no_spare' }],
    ['there is no spare but the one just made', [active()], { made: [made('n')] }, { reason: 'no_spare' }],
    ['there is none in an emergency', [active()], { emergency: true }, { reason: 'no_spare' }],
    [
      'K11 two are retiring, even in an emergency',
      [active(), spare(), retiring('r', { retiredAt: at(-10) }), retiring('q')],
      { emergency: true },
      { reason: 'too_early', notBefore: at(-10 + 15 + L + 60) },
    ],
    ['of an algorithm without keys', [active()], { algorithm: 'EdDSA' }, { reason: 'superseded' }],
  ])('is refused when %s', (_name, keys, more, refusal) => {
    expect(rotate(keys, at(1), policy, { ...order, ...more })).toEqual({ kind: 'refused', ...refusal });
  });

  test.each<[string, KeyRecord[], number, boolean, string]>([
    ['uses the young spare and says so', [active(), spare()], W - 1, true, 's'],
    ['of a warm spare is not early', [active(), spare()], W, false, 's'],
    ['uses the key just made when there is no spare', [active()], 1, true, 'n'],
  ])('in an emergency %s', (_name, keys, seconds, early, kid) => {
    const outcome = rotate(keys, at(seconds), policy, { ...order, emergency: true, made: [made('n')] });
    const change = changeOf(outcome);
    expect(change.keys.find((one) => one.kid === kid)).toMatchObject({ state: 'active', activatedEarly: early });
    expect(change.events).toContainEqual({
      kind: 'activated',
      kid,
      algorithm: 'ES256',
      ...(early && { early }),
    });
  });
});

describe('a revocation', () => {
  const now = at(10);
  const order = (kid: string) => ({ kid, reason: 'leaked', made: [made('n')] });

  test.each<[string, KeyRecord[], string, Record<string, string>]>([
    ['the key that signs', [active(), spare()], 'a', { a: 'revoked', s: 'active', n: 'published' }],
    ['the key that signs, without a spare', [active()], 'a', { a: 'revoked', n: 'active' }],
    ['the spare', [active(), spare()], 's', { s: 'revoked', n: 'published' }],
    ['a staged key', [active(), spare(), key('g', 'staged')], 'g', { g: 'revoked' }],
    ['a retiring key', [active(), spare(), retiring()], 'r', { r: 'revoked' }],
    ['a held key (K14 is about clean-up)', [active(), spare(), retiring('r', { held: true })], 'r', { r: 'revoked' }],
    ['an archived key', [active(), spare(), key('h', 'archived')], 'h', { h: 'revoked' }],
  ])('of %s', (_name, keys, kid, expected) => {
    const change = changeOf(revoke(keys, now, policy, order(kid)));
    expect(statesOf(change.keys)).toEqual(expected);
    const revoked = change.keys.find((one) => one.kid === kid);
    expect(revoked).toMatchObject({ hasPrivateHalf: false, revokedAt: now, revocationReason: 'leaked' });
    expect(change.events[0]).toEqual({ kind: 'revoked', kid, algorithm: 'ES256', reason: 'leaked' });
    expect(viewOf(following(keys, change)).jwks).not.toContain(kid);
    expect(viewOf(following(keys, change)).revoked).toEqual([kid]);
  });

  test('flags the successor when relying parties may not know it yet', () => {
    const change = changeOf(revoke([active(), spare()], now, policy, order('a')));
    expect(change.keys.find(({ kid }) => kid === 's')).toMatchObject({ activatedEarly: true });
    const later = changeOf(revoke([active(), spare()], at(W), policy, order('a')));
    expect(later.keys.find(({ kid }) => kid === 's')).toMatchObject({ activatedEarly: false });
  });

  test.each<[string, KeyRecord[], string, object]>([
    ['unknown', [active()], 'x', { kind: 'refused', reason: 'unknown' }],
    ['destroyed', [active(), key('x', 'destroyed')], 'x', { kind: 'refused', reason: 'destroyed' }],
    ['revoked before', [active(), key('x', 'revoked')], 'x', { kind: 'unchanged' }],
    ['the last that could sign', [active()], 'a', { kind: 'refused', reason: 'no_spare' }],
  ])('of a key that is %s changes nothing', (_name, keys, kid, expected) => {
    expect(revoke(keys, now, policy, { kid, reason: 'leaked' })).toEqual(expected);
  });
});

test('tokens that live longer keep every key that signs or has signed published for longer', () => {
  const keys = [active(), spare({ tokenLifetime: 2 * L }), retiring(), key('h', 'archived'), key('x', 'revoked')];
  expect(extendTokenLifetime(keys, 2 * L).map(({ kid, tokenLifetime }) => [kid, tokenLifetime])).toEqual([
    ['a', 2 * L],
    ['r', 2 * L],
  ]);
  expect(extendTokenLifetime(keys, L)).toEqual([]);
});

test('K4 what signs is in the key set, first of its algorithm; hints and revoked keys are not; rows in any order', () => {
  const keys = [
    key('z', 'revoked'),
    key('h', 'archived'),
    spare(),
    key('g', 'staged'),
    retiring('q', { publishedAt: at(-5) }),
    retiring(),
    active(),
    key('d', 'destroyed'),
    { ...active(), kid: 'b', algorithm: 'RS256' as const },
  ];
  const view = viewOf(keys);
  expect(view.jwks).toEqual(['b', 'a', 'r', 'q', 's']);
  expect([...view.signers]).toEqual([
    ['RS256', 'b'],
    ['ES256', 'a'],
  ]);
  expect([view.hints, view.revoked]).toEqual([['h'], ['z']]);
  expect(viewOf([...keys].reverse())).toEqual(view);
});

test('K1, K7, K11 hold over years of orders, whoever gives them and whenever', () => {
  const order: KeyState[] = ['staged', 'published', 'active', 'retiring', 'archived', 'destroyed'];
  let [keys, now, random, serial] = [[] as KeyRecord[], T0, 7, 0];
  // A small generator of its own, so that a failure comes again. The thorough one is in model/.
  const next = (limit: number) => {
    random = (random * 1103515245 + 12345) % 2147483648;
    return Math.floor((random / 2147483648) * limit);
  };
  const fresh = () => made(`k${serial++}`);
  for (let step = 0; step < 1000; step++) {
    now += 1000 * next(next(4) === 0 ? 40_000 : 400);
    const signs = keys.find(({ state }) => state === 'active')?.kid ?? '';
    const outcomes = [
      () => ({ change: advance(keys, now, policy, next(2) ? [fresh()] : []) }),
      () =>
        rotate(keys, now, policy, {
          algorithm: 'ES256',
          expectedActive: signs,
          emergency: next(2) === 0,
          made: [fresh()],
        }),
      () =>
        next(8)
          ? {}
          : revoke(keys, now, policy, { kid: `k${next(serial + 1)}`, reason: 'test', made: [fresh(), fresh()] }),
    ];
    const { change } = outcomes[next(3)]!() as { change?: Change };
    if (!change) continue;
    const before = new Map(keys.map((one) => [one.kid, one]));
    keys = following(keys, change);
    for (const { kid, state, activatedEarly, publishedAt, activatedAt } of change.keys) {
      const from = before.get(kid)?.state ?? 'staged';
      if (state !== 'revoked') expect(order.indexOf(state)).toBeGreaterThanOrEqual(order.indexOf(from));
      expect(['revoked', 'destroyed']).not.toContain(from);
      if (from === 'published' && state === 'active' && !activatedEarly) {
        expect(activatedAt! - publishedAt!).toBeGreaterThanOrEqual(1000 * warmUp(policy));
      }
    }
    expect(keys.filter(({ state }) => state === 'active')).toHaveLength(keys.length ? 1 : 0);
    expect(keys.filter(({ state }) => state === 'published').length).toBeLessThanOrEqual(1);
    expect(viewOf(keys).jwks.length).toBeLessThanOrEqual(4);
  }
  expect(keys.filter(({ state }) => state === 'destroyed').length).toBeGreaterThan(5);
});
