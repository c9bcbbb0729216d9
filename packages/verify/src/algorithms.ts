/** The signature algorithms this package can be asked to trust: asymmetric, none broken, none optional in runtimes. */
export type Algorithm = 'ES256' | 'RS256' | 'PS256' | 'EdDSA' | 'Ed25519';

/** `EdDSA` and `Ed25519` (RFC 9864) name the same signatures; both spellings are met. */
export const SUPPORTED_ALGORITHMS: readonly Algorithm[] = ['ES256', 'RS256', 'PS256', 'EdDSA', 'Ed25519'];

/** RS256 stays out of proofs: no client was ever made to use it there, and FAPI 2.0 forbids it. */
export const DPOP_ALGORITHMS: readonly Algorithm[] = ['ES256', 'PS256', 'EdDSA', 'Ed25519'];

/** What a key of each type may be used with; a mismatch of algorithm and key type is thereby impossible (RFC 8725 section 3.1). */
const BY_KEY_TYPE: Readonly<Record<string, readonly Algorithm[]>> = {
  'EC P-256': ['ES256'],
  RSA: ['RS256', 'PS256'],
  'OKP Ed25519': ['EdDSA', 'Ed25519'],
};

/** The algorithms a JWK fits, by its type and curve and by its own `alg` when it has one. */
export function algorithmsOf(jwk: { kty?: unknown; crv?: unknown; alg?: unknown }): readonly Algorithm[] {
  const type = jwk.kty === 'RSA' ? 'RSA' : `${jwk.kty} ${jwk.crv}`;
  const fitting = Object.hasOwn(BY_KEY_TYPE, type) ? (BY_KEY_TYPE[type] as readonly Algorithm[]) : [];
  if (jwk.alg === undefined) return fitting;
  if (jwk.kty === 'OKP' && fitting.some((alg) => alg === jwk.alg)) return fitting;
  return fitting.filter((alg) => alg === jwk.alg);
}

/** @throws TypeError when the list is empty or names an algorithm outside the supported ones (`none` and HS* among them) */
export function checkAlgorithms(algorithms: readonly string[], option: string): ReadonlySet<Algorithm> {
  const unsupported = algorithms.filter((alg) => !(SUPPORTED_ALGORITHMS as readonly string[]).includes(alg));
  if (algorithms.length === 0 || unsupported.length > 0) {
    throw new TypeError(
      `${option} must name some of ${SUPPORTED_ALGORITHMS.join(', ')}; got "${algorithms.join(' ')}"`,
    );
  }
  return new Set(algorithms as readonly Algorithm[]);
}

export function isOneOf(algorithms: ReadonlySet<Algorithm>, alg: unknown): alg is Algorithm {
  return algorithms.has(alg as Algorithm);
}
