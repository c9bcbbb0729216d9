import { importJWK } from 'jose';
import { type Algorithm, algorithmsOf } from './algorithms.ts';
import type { VerificationKey } from './signature.ts';

/** The public keys of one published set, imported once. A fixed table: a `kid` is compared, never interpreted. */
export type KeySet = ReadonlyMap<string, ReadonlyMap<Algorithm, VerificationKey>>;

/** A set with more keys than this is a mistake; importing it would be work done for an attacker. */
const MAX_KEYS = 100;

const PUBLIC_MEMBERS = ['kty', 'crv', 'x', 'y', 'n', 'e'] as const;

/**
 * Turns a JWK Set document into keys. Entries of other uses and types are passed over, as RFC 7517 section 5 asks.
 *
 * @throws Error when the document is not a key set, or holds not one usable key
 */
export async function importKeySet(document: unknown, algorithms: ReadonlySet<Algorithm>): Promise<KeySet> {
  const entries = (document as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(entries)) throw new Error('The document is not a JWK Set.');
  const set = new Map<string, Map<Algorithm, VerificationKey>>();
  for (const entry of entries.slice(0, MAX_KEYS)) await addKey(set, entry, algorithms);
  if (set.size === 0) throw new Error('The JWK Set holds no usable signature key.');
  return set;
}

async function addKey(
  set: Map<string, Map<Algorithm, VerificationKey>>,
  entry: unknown,
  algorithms: ReadonlySet<Algorithm>,
) {
  if (typeof entry !== 'object' || entry === null) return;
  const jwk = entry as Record<string, unknown>;
  if (typeof jwk.kid !== 'string' || jwk.kid === '' || !isForVerifying(jwk)) return;
  for (const alg of algorithmsOf(jwk)) {
    if (!algorithms.has(alg)) continue;
    const key = await importPublicKey(jwk, alg);
    const keys = set.get(jwk.kid) ?? new Map<Algorithm, VerificationKey>();
    // kids are unique in a set (RFC 7517 section 4.5); where they are not, the first one is it
    if (key && !keys.has(alg)) set.set(jwk.kid, keys.set(alg, key));
  }
}

function isForVerifying({ use, key_ops }: Record<string, unknown>): boolean {
  if (use !== undefined && use !== 'sig') return false;
  return !Array.isArray(key_ops) || key_ops.includes('verify');
}

/**
 * Imports the public members only, so that a private part or an `x5u` that strayed into a document goes nowhere.
 *
 * @returns `undefined` for a broken key and for an RSA key under 2048 bits (RFC 7518 section 3.3)
 */
export async function importPublicKey(
  jwk: Record<string, unknown>,
  alg: Algorithm,
): Promise<VerificationKey | undefined> {
  const members = PUBLIC_MEMBERS.flatMap((name) => (typeof jwk[name] === 'string' ? [[name, jwk[name]]] : []));
  try {
    const key = (await importJWK(Object.fromEntries(members), alg)) as CryptoKey;
    const { modulusLength } = key.algorithm as { modulusLength?: number };
    return modulusLength !== undefined && modulusLength < 2048 ? undefined : { key, alg };
  } catch {
    return undefined;
  }
}
