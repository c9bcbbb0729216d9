import { type Look, maySign } from '../../../src/signing-keys/fence.ts';
import type { Algorithm } from '../../../src/signing-keys/key-pair.ts';
import {
  type Change,
  type KeyRecord,
  type KeyRoles,
  type NewKey,
  viewOf,
} from '../../../src/signing-keys/key-record.ts';
import {
  advance,
  extendTokenLifetime,
  hold,
  missingKeys,
  nextTransitionAt,
  type RevokeOptions,
  type RevokeOutcome,
  type RotateOptions,
  type RotateOutcome,
  revoke,
  rotate,
} from '../../../src/signing-keys/life-cycle.ts';
import type { KeyPolicy } from '../../../src/signing-keys/timing.ts';

/** What decides, in one place, so that a fault can be put in the place of each part. */
export interface Logic {
  missingKeys(keys: readonly KeyRecord[], algorithms: readonly Algorithm[]): Algorithm[];
  advance(keys: readonly KeyRecord[], now: number, policy: KeyPolicy, made: readonly NewKey[]): Change;
  nextTransitionAt(keys: readonly KeyRecord[], policy: KeyPolicy): number;
  rotate(keys: readonly KeyRecord[], now: number, policy: KeyPolicy, options: RotateOptions): RotateOutcome;
  revoke(keys: readonly KeyRecord[], now: number, policy: KeyPolicy, options: RevokeOptions): RevokeOutcome;
  extendTokenLifetime(keys: readonly KeyRecord[], tokenLifetime: number): KeyRecord[];
  viewOf(keys: readonly KeyRecord[]): KeyRoles;
  hold(keys: readonly KeyRecord[], kid: string, held: boolean): KeyRecord[];
  maySign(kid: string, own: Look, newest: Look, now: number, policy: KeyPolicy): boolean;
  /** Which of the two moments a view counts as confirmed. */
  confirmedAt(askedAt: number, answeredAt: number): number;
  /** The name of the so-manieth key. */
  nameKey(number: number, known: ReadonlyMap<string, Algorithm>): string;
  /** What the database does with a transaction whose rows changed since it read them: it has it read again. */
  readsUnderLock: boolean;
}

export const REAL: Logic = {
  missingKeys,
  advance,
  nextTransitionAt,
  rotate,
  revoke,
  extendTokenLifetime,
  viewOf,
  hold,
  maySign,
  confirmedAt: (askedAt) => askedAt,
  nameKey: (number) => `k${number}`,
  readsUnderLock: true,
};
