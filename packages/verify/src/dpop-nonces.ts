import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/**
 * Nonces that a proof must carry, so that one made in advance is worth nothing.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc9449#section-9 RFC 9449 section 9}
 */
export interface DpopNonces {
  /** The nonce that the `DPoP-Nonce` header hands out now. */
  current(): string;
  /** Whether a proof made with this nonce is recent enough. */
  accepts(nonce: string): boolean;
}

/**
 * Nonces that need no memory: a MAC of the running period. The one before stays good, so a nonce lives between one and
 * two lifetimes. Processes that share the secret accept each other's.
 */
export function createDpopNonces({
  secret = randomBytes(32) as string | Uint8Array,
  lifetime = 120,
  now = Date.now,
} = {}): DpopNonces {
  function nonceOf(period: number): string {
    return createHmac('sha256', secret).update(`DPoP-Nonce ${period}`).digest('base64url');
  }
  function period(): number {
    return Math.floor(now() / 1000 / lifetime);
  }
  return {
    current: () => nonceOf(period()),
    accepts: (nonce) => equal(nonce, nonceOf(period())) || equal(nonce, nonceOf(period() - 1)),
  };
}

function equal(given: string, expected: string): boolean {
  const [left, right] = [Buffer.from(given), Buffer.from(expected)];
  return left.length === right.length && timingSafeEqual(left, right);
}
