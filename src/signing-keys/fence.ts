import { type KeyPolicy, viewLifetime } from './timing.ts';

/** What one look at the database said about who signs, and when that look began, by this process's own clock (milliseconds). */
export interface Look {
  version: number;
  /** Moved on by every later look that finds the same version. */
  confirmedAt: number;
  /** Names of the keys that sign. */
  signers: ReadonlySet<string>;
  revoked: ReadonlySet<string>;
}

/**
 * Whether a key that signed by `own` look may sign now. A look is worth something for a bounded time only, because a node that is cut
 * off hears of no change; whatever is revoked by the newest look is over, also for requests that began before it.
 */
export function maySign(kid: string, own: Look, newest: Look, now: number, policy: KeyPolicy): boolean {
  if (newest.revoked.has(kid)) return false;
  const limit = 1000 * viewLifetime(policy);
  return now - own.confirmedAt < limit || (now - newest.confirmedAt < limit && newest.signers.has(kid));
}

/** How much faster the time of day may run before it counts as a jump, in milliseconds. */
const JUMP = 1000;

/** Milliseconds that never go back, and that do not leave out the time in which the machine was asleep, as the monotonic clock does. */
export function createSteadyClock(): () => number {
  let offset = Date.now() - performance.now();
  let slept = 0;
  return () => {
    const now = performance.now();
    const jump = Date.now() - now - offset;
    if (jump > JUMP) slept += jump;
    if (Math.abs(jump) > JUMP) offset += jump;
    return now + slept;
  };
}
