import { createPublicKey, type JsonWebKey } from 'node:crypto';

const MAX_KEYS = 20;
const CURVES = new Set(['P-256', 'P-384', 'P-521', 'Ed25519']);
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'];

/** A client's public keys. @see RFC 7517 5 */
export interface ClientKeySet {
  keys: JsonWebKey[];
}

/** Says what is wrong with a client's JWK set, or nothing: public, strong enough, and real keys. @see RFC 8725 3.5 */
export function clientKeysProblem({ keys }: ClientKeySet): string | undefined {
  if (keys.length === 0) return 'must have at least one key';
  if (keys.length > MAX_KEYS) return `must not have more than ${MAX_KEYS} keys`;
  const kids = keys.map(({ kid }) => kid).filter((kid) => kid !== undefined);
  if (new Set(kids).size < kids.length) return 'must not have two keys with the same kid';
  for (const [index, key] of keys.entries()) {
    const problem = keyProblem(key);
    if (problem) return `key ${index}: ${problem}`;
  }
  return undefined;
}

function keyProblem(key: JsonWebKey): string | undefined {
  const secret = PRIVATE_MEMBERS.find((member) => key[member] !== undefined);
  if (secret) return `has the private member ${secret}; send public keys only`;
  if (key.kid !== undefined && typeof key.kid !== 'string') return 'kid must be text';
  if (key.kty !== 'RSA' && !CURVES.has(String(key.crv))) return 'must be RSA, P-256, P-384, P-521 or Ed25519';
  try {
    const { asymmetricKeyDetails: details } = createPublicKey({ key, format: 'jwk' });
    return key.kty === 'RSA' && (details?.modulusLength ?? 0) < 2048 ? 'RSA keys need 2048 bits or more' : undefined;
  } catch {
    return 'is not a valid public key';
  }
}
