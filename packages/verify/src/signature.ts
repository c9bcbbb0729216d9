import type { Algorithm } from './algorithms.ts';

/**
 * What Web Cryptography is told for each algorithm. The key brings the rest: it was imported for one algorithm and
 * refuses to serve another.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc7518#section-3 RFC 7518 section 3}, RFC 8037 section 3.1
 */
const PARAMETERS: Readonly<Record<Algorithm, AlgorithmIdentifier | EcdsaParams | RsaPssParams>> = {
  ES256: { name: 'ECDSA', hash: 'SHA-256' },
  RS256: { name: 'RSASSA-PKCS1-v1_5' },
  PS256: { name: 'RSA-PSS', saltLength: 32 },
  EdDSA: { name: 'Ed25519' },
  Ed25519: { name: 'Ed25519' },
};

/** A public key together with the one algorithm it is trusted for. */
export interface VerificationKey {
  readonly key: CryptoKey;
  readonly alg: Algorithm;
}

/**
 * Whether the key made the signature. The bytes go straight to Web Cryptography: a JOSE library would parse header and
 * payload a second time, which costs a tenth of the whole check and could only ever disagree with our stricter reading.
 */
export async function isSignedBy(
  { key, alg }: VerificationKey,
  signingInput: string,
  signature: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  try {
    return await crypto.subtle.verify(PARAMETERS[alg], key, signature, Buffer.from(signingInput, 'latin1'));
  } catch {
    return false; // some runtimes reject instead of answering when a signature has an impossible length
  }
}
