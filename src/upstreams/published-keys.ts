import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';

/** Milliseconds. */
const COOL_DOWN = 30_000;
const FRESH = 60 * 60_000;
const KEPT = 24 * 60 * 60_000;

type Keys = ReturnType<typeof createLocalJWKSet>;

export interface PublishedKeysOptions {
  /** Asks the provider; the answer is one of its own JSON objects. */
  read(): Promise<unknown>;
  /** Milliseconds of a clock that is never set back. */
  now?: () => number;
}

/**
 * The keys that a provider signs with. Read again every hour while people go on signing in by what is known, which serves for a
 * day when the provider's keys cannot be read (S-108). A key that is not known makes us ask at once, but not again for half a
 * minute, whoever presents whatever (S-109).
 * @see OpenID Connect Core 10.1.1 (rotation of signing keys)
 */
export function createPublishedKeys({ read, now = () => performance.now() }: PublishedKeysOptions): JWTVerifyGetKey {
  let known: { keys: Keys; readAt: number } | undefined;
  let triedAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<Keys> | undefined;

  /** One request for all who wait for it. */
  function readAgain(): Promise<Keys> {
    reading ??= (async () => {
      triedAt = now();
      try {
        const keys = createLocalJWKSet((await read()) as unknown as JSONWebKeySet);
        known = { keys, readAt: now() };
        return keys;
      } finally {
        reading = undefined;
      }
    })();
    return reading;
  }

  const hasCooledDown = () => now() - triedAt >= COOL_DOWN;

  return async function keyOf(header, token) {
    if (!known || now() - known.readAt > KEPT) return (await readAgain())(header, token);
    // Nobody waits for it, and nobody is told when it fails.
    if (now() - known.readAt > FRESH && hasCooledDown()) readAgain().catch(() => {});
    const { keys } = known;
    try {
      return await keys(header, token);
    } catch (error) {
      if ((error as { code?: string }).code !== 'ERR_JWKS_NO_MATCHING_KEY') throw error;
      if (reading || hasCooledDown()) return (await readAgain())(header, token);
      // Others may have come in meanwhile.
      if (known.keys !== keys) return known.keys(header, token);
      throw error;
    }
  };
}
