import { UnavailableError } from './errors.ts';

/**
 * Remembers which DPoP proofs were used. One process has its own (createMemoryReplayStore); several that answer for the
 * same URLs share one, for instance Redis by `SET key 1 NX PXAT expiresAt`.
 */
export interface ReplayStore {
  /**
   * Claims the key for whoever asks first, in one step.
   *
   * @param key at most 64 characters, safe in any store
   * @param expiresAt milliseconds since 1970; forgotten afterwards
   * @returns whether this call was the first
   */
  claimOnce(key: string, expiresAt: number): boolean | Promise<boolean>;
}

const SWEEP_MS = 5_000;

/**
 * A replay store in memory. When it is full of live proofs it throws UnavailableError (503): forgetting one early would
 * let that proof be used again.
 */
export function createMemoryReplayStore({ limit = 100_000, now = Date.now } = {}): ReplayStore {
  const claimed = new Map<string, number>();

  function forgetExpired(): void {
    const time = now();
    for (const [key, expiresAt] of claimed) if (expiresAt <= time) claimed.delete(key);
  }

  let sweepAt = 0;
  return {
    claimOnce(key, expiresAt) {
      const time = now();
      if ((claimed.get(key) ?? 0) > time) return false;
      if (time >= sweepAt) {
        forgetExpired();
        sweepAt = time + SWEEP_MS; // also when full: a sweep per proof would be a gift to whoever filled it
      }
      if (claimed.size >= limit) {
        throw new UnavailableError(
          'ERR_REPLAY_STORE_FULL',
          'Too many DPoP proofs are being remembered.',
          SWEEP_MS / 1000,
        );
      }
      claimed.set(key, expiresAt);
      return true;
    },
  };
}
