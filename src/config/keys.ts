import type { Given } from './schema.ts';
import type { Refuse } from './upstreams.ts';

/** Seconds that no setting changes, as `signing-keys/timing.ts` has them: this folder imports nobody, and a test compares. */
export const KEY_TIMES = { jwksMaxAge: 300, propagation: 15, clockSkew: 60 };

const DAY = 86_400;

/**
 * A key signs at least until its successor is known everywhere and nothing of its predecessor is valid any more, so that no more
 * than three keys of an algorithm are published. Defaults stand in for what was said wrongly and is reported as that.
 */
export function checkKeys(given: Given, refuse: Refuse): void {
  const {
    DAEMUN_KEY_ROTATION_PERIOD: period = 30 * DAY,
    DAEMUN_KEY_CACHE_SUPPORT: cache = DAY,
    DAEMUN_KEY_HINT_RETENTION: hints = 90 * DAY,
    DAEMUN_ACCESS_TOKEN_LIFETIME: accessToken = 900,
    DAEMUN_ID_TOKEN_LIFETIME: idToken = 3600,
  } = given;
  const token = Math.max(accessToken, idToken);
  const unsure = KEY_TIMES.propagation + KEY_TIMES.clockSkew;
  const shortest = Math.max(KEY_TIMES.jwksMaxAge, cache) + unsure + (token + unsure);
  if (period < shortest) {
    refuse(
      'DAEMUN_KEY_ROTATION_PERIOD',
      `is ${period} s and must be at least ${shortest} s: DAEMUN_KEY_CACHE_SUPPORT, the longest lifetime of tokens (${token} s) and ${2 * unsure} s`,
    );
  }
  if (hints < token) {
    refuse('DAEMUN_KEY_HINT_RETENTION', `is ${hints} s, shorter than tokens live (${token} s)`);
  }
}
