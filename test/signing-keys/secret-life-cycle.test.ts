import { describe, expect, test } from '@jest/globals';
import {
  advanceSecrets,
  nextSecretTransitionAt,
  ROTATING,
  type RotatingPurpose,
  rotateSecret,
  type SecretChange,
  type SecretPolicy,
  type SecretRecord,
} from '../../src/signing-keys/secret-life-cycle.ts';

const policy: SecretPolicy = {
  propagation: 15,
  clockSkew: 60,
  rotationPeriod: 30 * 86_400,
  cookieLifetime: 14 * 86_400,
};
/** A next secret is known everywhere after D + S. */
const READY = 75_000;
const DAY = 86_400_000;
const START = Date.UTC(2030, 0, 1);

/** The rows, and a clock that only the test moves. */
function openRows(purposes: readonly RotatingPurpose[] = ROTATING) {
  let made = 0;
  let now = START;
  const rows = new Map<string, SecretRecord>();
  const inUse = new Set<string>();
  const situation = () => ({ now, policy, inUse, newId: (purpose: RotatingPurpose) => `${purpose}-${made++}` });
  for (const purpose of purposes) {
    const id = `${purpose}-first`;
    rows.set(id, { id, purpose, state: 'current', createdAt: now, currentSince: now });
  }

  /** One by one, as the store writes: a unique index holds after each. */
  function apply({ secrets, deleted }: SecretChange): void {
    for (const { id } of deleted) rows.delete(id);
    for (const secret of secrets) {
      rows.set(secret.id, secret);
      for (const purpose of ROTATING) {
        for (const state of ['current', 'next'] as const) expect(idsOf(purpose, state).length).toBeLessThanOrEqual(1);
      }
    }
  }
  const idsOf = (purpose: RotatingPurpose, state: SecretRecord['state']) =>
    [...rows.values()].filter((row) => row.purpose === purpose && row.state === state).map(({ id }) => id);

  return {
    rows,
    inUse,
    idsOf,
    now: () => now,
    after(milliseconds: number) {
      now += milliseconds;
      const change = advanceSecrets([...rows.values()], situation());
      apply(change);
      return change.events;
    },
    rotate(purpose: RotatingPurpose, { emergency = false, expectedCurrent = idsOf(purpose, 'current')[0]! } = {}) {
      const rotation = rotateSecret([...rows.values()], { purpose, emergency, expectedCurrent }, situation());
      apply(rotation.change);
      return rotation;
    },
    due: () => nextSecretTransitionAt([...rows.values()], policy),
  };
}

test('each purpose gets a next one at once, and a second look changes nothing', () => {
  const rows = openRows();
  expect(rows.after(0).map(({ kind, purpose }) => [kind, purpose])).toEqual(ROTATING.map((one) => ['staged', one]));
  expect(rows.after(0)).toEqual([]);
});

test('cookie keys and the DPoP nonce secret go on by themselves in their own time, a pepper never does', () => {
  const rows = openRows();
  rows.after(0);
  expect(rows.after(DAY - 1)).toEqual([]);
  expect(rows.due()).toBe(START + DAY);
  expect(rows.after(1)).toMatchObject([
    { kind: 'rotated', purpose: 'dpop-nonce', reason: 'period' },
    { kind: 'staged' },
  ]);
  const rotated: string[] = [];
  for (let day = 2; day <= 100; day++) {
    rotated.push(...rows.after(DAY).flatMap(({ kind, purpose }) => (kind === 'rotated' ? [purpose] : [])));
  }
  expect(rotated.filter((purpose) => purpose === 'dpop-nonce')).toHaveLength(99);
  expect(rotated.filter((purpose) => purpose === 'cookie-signature')).toHaveLength(3);
  expect(rows.idsOf('password-pepper', 'current')).toEqual(['password-pepper-first']);
});

test('a next one is used by nobody before every node knows it, however late its period is over', () => {
  const rows = openRows(['cookie-signature']);
  // Nobody ran for a year: no next one was there.
  expect(rows.after(365 * DAY)).toMatchObject([{ kind: 'staged' }]);
  expect(rows.after(READY - 1)).toEqual([]);
  expect(rows.due()).toBe(rows.now() + 1);
  expect(rows.after(1)).toMatchObject([{ kind: 'rotated', before: 'cookie-signature-first' }, { kind: 'staged' }]);
  expect(rows.after(0)).toEqual([]);
});

describe('an order', () => {
  test('is carried out when the next one is known everywhere', () => {
    const rows = openRows();
    rows.after(0);
    rows.after(READY);
    const [next] = rows.idsOf('password-pepper', 'next');
    expect(rows.rotate('password-pepper')).toMatchObject({
      kind: 'changed',
      change: { events: [{ kind: 'rotated', secret: next, before: 'password-pepper-first', reason: 'order' }, {}] },
    });
    expect(rows.idsOf('password-pepper', 'retired')).toEqual(['password-pepper-first']);
  });

  test('that comes too early is refused and says when it will be right, and the next one is made at the latest then', () => {
    const rows = openRows();
    expect(rows.rotate('cookie-signature')).toMatchObject({
      kind: 'refused',
      reason: 'too_early',
      notBefore: START + READY,
    });
    expect(rows.idsOf('cookie-signature', 'next')).toHaveLength(1);
    rows.after(READY - 1);
    expect(rows.rotate('cookie-signature')).toMatchObject({ reason: 'too_early', notBefore: START + READY });
    rows.after(1);
    expect(rows.rotate('cookie-signature')).toMatchObject({ kind: 'changed' });
  });

  test('of an emergency is carried out at once and says that it was early, even with no next one there', () => {
    const rows = openRows();
    const rotation = rows.rotate('dpop-nonce', { emergency: true });
    expect(rotation).toMatchObject({
      kind: 'changed',
      change: { events: expect.arrayContaining([expect.objectContaining({ kind: 'rotated', early: true })]) },
    });
    expect(rows.idsOf('dpop-nonce', 'current')).not.toEqual(['dpop-nonce-first']);
    expect(rows.idsOf('dpop-nonce', 'next')).toHaveLength(1);
  });

  test('that somebody else has given already changes nothing', () => {
    const rows = openRows();
    rows.after(0);
    rows.after(READY);
    const before = rows.idsOf('cookie-signature', 'current')[0]!;
    expect(rows.rotate('cookie-signature', { expectedCurrent: before })).toMatchObject({ kind: 'changed' });
    for (const emergency of [false, true]) {
      expect(rows.rotate('cookie-signature', { expectedCurrent: before, emergency })).toMatchObject({
        kind: 'refused',
        reason: 'superseded',
        change: { secrets: [], deleted: [] },
      });
    }
  });
});

describe('a retired one stays as long as something needs it:', () => {
  test.each<[RotatingPurpose, string, number]>([
    ['cookie-signature', 'the longest session', (14 * 86_400 + 75) * 1000],
    ['dpop-nonce', 'the life of a nonce', (300 + 75) * 1000],
    ['password-pepper', 'an hour, for hashes that are under way', (3600 + 75) * 1000],
  ])('%s for %s', (purpose, _what, time) => {
    const rows = openRows([purpose]);
    rows.after(0);
    rows.after(READY);
    rows.rotate(purpose);
    rows.after(time - 1);
    expect(rows.rows.has(`${purpose}-first`)).toBe(true);
    expect(rows.after(1)).toContainEqual({ kind: 'deleted', secret: `${purpose}-first`, purpose });
    expect(rows.rows.has(`${purpose}-first`)).toBe(false);
  });

  test('a pepper also while a password was hashed with it, for years', () => {
    const rows = openRows(['password-pepper']);
    rows.inUse.add('password-pepper-first');
    rows.rotate('password-pepper', { emergency: true });
    expect(rows.after(5 * 365 * DAY)).toEqual([]);
    rows.inUse.clear();
    expect(rows.after(0)).toMatchObject([{ kind: 'deleted' }]);
  });

  test('one of which nobody wrote down when it was retired counts from now on', () => {
    const rows = openRows(['cookie-signature']);
    rows.rows.set('old', { id: 'old', purpose: 'cookie-signature', state: 'retired', createdAt: START - 900 * DAY });
    rows.after(0);
    expect(rows.rows.get('old')).toMatchObject({ retiredAt: START });
    rows.after(13 * DAY);
    expect(rows.rows.has('old')).toBe(true);
  });
});

test('what is not made yet is left to the start of a node', () => {
  expect(advanceSecrets([], { now: START, policy, inUse: new Set(), newId: () => 'x' })).toEqual({
    secrets: [],
    deleted: [],
    events: [],
  });
});

test('in an emergency no cookie key of before stays, whatever its state, and the one that signs is none of them', () => {
  const rows = openRows(['cookie-signature']);
  rows.after(0);
  rows.after(READY);
  rows.rotate('cookie-signature');
  const before = [...rows.rows.keys()];
  expect(before).toHaveLength(3);
  const { change } = rows.rotate('cookie-signature', { emergency: true });
  expect(rows.idsOf('cookie-signature', 'retired')).toEqual([]);
  const after = [...rows.rows.values()].map(({ id, state }) => ({ isNew: !before.includes(id), state }));
  expect(after).toEqual([
    { isNew: true, state: 'current' },
    { isNew: true, state: 'next' },
  ]);
  expect(change.events.map(({ kind }) => kind)).toEqual(['rotated', 'deleted', 'deleted', 'deleted', 'staged']);
  expect(change.events[0]).toMatchObject({
    before: change.deleted.find(({ state }) => state === 'current')!.id,
    early: true,
  });
  expect(rows.after(0)).toEqual([]);
  expect(rows.after(READY)).toEqual([]);
});
