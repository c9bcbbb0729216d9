import type { Change, KeyRecord } from '../../../src/signing-keys/key-record.ts';
import type { RotateOutcome } from '../../../src/signing-keys/life-cycle.ts';
import type { KeyPolicy } from '../../../src/signing-keys/timing.ts';
import { type Logic, REAL } from './logic.ts';
import type { Property } from './violation.ts';

export interface Fault {
  name: string;
  /** What it violates: the one that is noticed first depends on the history. */
  violates: Property[];
  logic: Partial<Logic>;
}

/** One function in the place of the real one, each. */
export const FAULTS: Fault[] = [
  {
    name: 'a key is activated without any warm-up',
    violates: ['K3'],
    logic: underPolicy((policy) => ({ ...policy, jwksMaxAge: 0, cacheSupport: 0 })),
  },
  {
    name: 'a publication is dated before anybody could see it, by D',
    violates: ['K2'],
    logic: {
      advance: (keys, now, policy, made) =>
        backdated(REAL.advance(keys, now, policy, made), now, now - policy.propagation * 1000),
    },
  },
  {
    name: 'the warm-up leaves out D',
    violates: ['K3'],
    logic: underPolicy((policy) => ({ ...policy, jwksMaxAge: 0, cacheSupport: longest(policy) - policy.propagation })),
  },
  {
    name: 'the warm-up leaves out S',
    violates: ['K3'],
    logic: underPolicy((policy) => ({ ...policy, jwksMaxAge: 0, cacheSupport: longest(policy) - policy.clockSkew })),
  },
  {
    name: 'a retiring key leaves without waiting for D',
    violates: ['K5', 'erasure'],
    logic: underPolicy(withoutInRetention('propagation')),
  },
  {
    name: 'a retiring key leaves without waiting for S',
    violates: ['K5', 'erasure'],
    logic: underPolicy(withoutInRetention('clockSkew')),
  },
  {
    name: 'a retiring key leaves without waiting for L',
    violates: ['K5'],
    logic: blindTo({ tokenLifetime: 0 }),
  },
  {
    name: 'a rotation does not look whom its caller saw signing',
    violates: ['K9'],
    logic: {
      rotate: (keys, now, policy, options) => {
        const active = keys.find(({ algorithm, state }) => algorithm === options.algorithm && state === 'active');
        return REAL.rotate(keys, now, policy, { ...options, expectedActive: active!.kid });
      },
    },
  },
  {
    name: 'the rows are read before the lock is taken',
    violates: ['K1', 'K7', 'K9'],
    logic: { readsUnderLock: false },
  },
  {
    name: 'an emergency is not marked as one',
    violates: ['K3'],
    logic: {
      rotate: (...given) => onRotation(REAL.rotate(...given), (key) => ({ ...key, activatedEarly: false })),
    },
  },
  { name: 'the fence is ignored', violates: ['K13', 'K4', 'K5'], logic: { maySign: () => true } },
  {
    name: 'a node that is cut off signs on',
    violates: ['K13'],
    logic: {
      maySign: (kid, own, newest, now, policy) =>
        own.version === newest.version || REAL.maySign(kid, own, newest, now, policy),
    },
  },
  {
    name: 'a view counts from the answer, not from the question',
    violates: ['K13', 'K5', 'K4', 'K2'],
    logic: { confirmedAt: (_askedAt, answeredAt) => answeredAt },
  },
  {
    name: 'a request that began before still signs with a key that is known to be revoked',
    violates: ['K8'],
    logic: {
      maySign: (kid, own, newest, now, policy) =>
        REAL.maySign(kid, own, { ...newest, revoked: new Set() }, now, policy),
    },
  },
  {
    name: 'a revoked key is still accepted',
    violates: ['K8'],
    logic: {
      viewOf: (keys) => {
        const roles = REAL.viewOf(keys);
        return { ...roles, hints: [...roles.hints, ...roles.revoked] };
      },
    },
  },
  {
    name: 'an archived key is destroyed early',
    violates: ['H'],
    logic: underPolicy((policy) => ({ ...policy, hintRetention: policy.hintRetention / 2 })),
  },
  {
    name: 'a key that ended is forgotten, and a kid is used again',
    violates: ['K6'],
    logic: {
      nameKey: (number) => `k${((number - 1) % 6) + 1}`,
      advance: (keys, now, policy, made) =>
        REAL.advance(
          keys.filter(({ state }) => state !== 'revoked' && state !== 'destroyed'),
          now,
          policy,
          made,
        ),
    },
  },
  {
    name: 'a spare is not made again',
    violates: ['K10'],
    logic: { missingKeys: (keys, wanted) => (keys.length > 3 ? [] : REAL.missingKeys(keys, wanted)) },
  },
  { name: 'nobody cleans up', violates: ['K10', 'K11'], logic: blindTo({ held: true }) },
  {
    name: 'shorter tokens in the configuration shorten what was recorded',
    violates: ['K5'],
    logic: {
      extendTokenLifetime: (keys, tokenLifetime) =>
        keys
          .filter(({ state }) => ['staged', 'published', 'active', 'retiring'].includes(state))
          .filter((key) => key.tokenLifetime !== tokenLifetime)
          .map((key) => ({ ...key, tokenLifetime })),
    },
  },
  {
    name: 'longer tokens in the configuration are not recorded',
    violates: ['K5'],
    logic: { extendTokenLifetime: () => [] },
  },
  { name: 'a key that is held is cleaned up', violates: ['K14'], logic: blindTo({ held: false }) },
  {
    name: 'the key that signed before is not retired',
    violates: ['K1'],
    logic: {
      rotate: (...given) => onRotation(REAL.rotate(...given), (key) => (key.state === 'retiring' ? undefined : key)),
    },
  },
  {
    name: 'the key that signed before becomes the spare',
    violates: ['K7'],
    logic: {
      rotate: (...given) =>
        onRotation(REAL.rotate(...given), (key) => (key.state === 'retiring' ? { ...key, state: 'published' } : key)),
    },
  },
  {
    name: 'one emergency after the other is carried out',
    violates: ['K11'],
    logic: {
      rotate: (keys, now, policy, options) =>
        REAL.rotate(
          keys.filter(({ state }) => state !== 'retiring'),
          now,
          policy,
          options,
        ),
    },
  },
  {
    name: 'a key that signs is not in the key set',
    violates: ['K4'],
    logic: {
      viewOf: (keys) => {
        const roles = REAL.viewOf(keys);
        const young = new Set(keys.filter(({ activatedEarly }) => activatedEarly).map(({ kid }) => kid));
        return { ...roles, jwks: roles.jwks.filter((kid) => !young.has(kid)) };
      },
    },
  },
];

type Policy = (policy: KeyPolicy) => KeyPolicy;

/** As if it had been configured otherwise than it is promised. */
function underPolicy(changed: Policy): Partial<Logic> {
  return {
    advance: (keys, now, policy, made) => REAL.advance(keys, now, changed(policy), made),
    nextTransitionAt: (keys, policy) => REAL.nextTransitionAt(keys, changed(policy)),
    rotate: (keys, now, policy, options) => REAL.rotate(keys, now, changed(policy), options),
    revoke: (keys, now, policy, options) => REAL.revoke(keys, now, changed(policy), options),
  };
}

function longest({ jwksMaxAge, cacheSupport }: KeyPolicy): number {
  return Math.max(jwksMaxAge, cacheSupport);
}

/** Leaves one of the times out where a key leaves, and none out of the warm-up. */
function withoutInRetention(time: 'propagation' | 'clockSkew'): Policy {
  return (policy) => ({ ...policy, [time]: 0, jwksMaxAge: 0, cacheSupport: longest(policy) + policy[time] });
}

/** The scheduler sees something else in every row than what is there. */
function blindTo(fields: Partial<KeyRecord>): Partial<Logic> {
  const seen = (keys: readonly KeyRecord[]) => keys.map((key) => ({ ...key, ...fields }));
  return {
    nextTransitionAt: (keys, policy) => REAL.nextTransitionAt(seen(keys), policy),
    advance(keys, now, policy, made) {
      const change = REAL.advance(seen(keys), now, policy, made);
      const restored = change.keys.map((key) => {
        const old = keys.find(({ kid }) => kid === key.kid);
        return old ? { ...key, held: old.held, tokenLifetime: old.tokenLifetime } : { ...key, held: false };
      });
      return { ...change, keys: restored };
    },
  };
}

function backdated(change: Change, now: number, to: number): Change {
  const keys = change.keys.map((key) => (key.publishedAt === now ? { ...key, publishedAt: to } : key));
  return { ...change, keys };
}

function onRotation(outcome: RotateOutcome, edit: (key: KeyRecord) => KeyRecord | undefined): RotateOutcome {
  if (outcome.kind !== 'changed') return outcome;
  const { keys, events } = outcome.change;
  return { kind: 'changed', change: { events, keys: keys.map(edit).filter((key) => key !== undefined) } };
}
