import { type Algorithm, isOneOf } from './algorithms.ts';
import { decodeObject } from './compact.ts';
import { VerifyError } from './errors.ts';

/** The two header parameters that matter. `jku`, `x5u`, `x5c` and `jwk` are not read at all, so they cannot be obeyed. */
export interface AccessTokenHeader {
  readonly alg: Algorithm;
  readonly kid: string;
}

/**
 * Reads the protected header of an access token.
 *
 * @throws VerifyError `malformed` when it is not an access token's header, `signature` when it asks for trust we do not give
 * @see {@link https://www.rfc-editor.org/rfc/rfc9068#section-2.1 RFC 9068 section 2.1}
 */
export function readHeader(encoded: string, algorithms: ReadonlySet<Algorithm>): AccessTokenHeader {
  const header = decodeObject(encoded);
  if (header === undefined)
    throw new VerifyError('malformed', 'The protected header is not a JSON object in base64url.');
  const { alg, kid, typ, crit } = header;
  // RFC 7515 section 4.1.11: we understand no extension, so any critical one is unknown
  if (crit !== undefined) throw new VerifyError('malformed', 'The header marks an extension as critical.');
  // RFC 9068 section 4: the type is what keeps ID tokens, logout tokens and assertions out
  if (!isMediaType(typ, 'at+jwt')) throw new VerifyError('malformed', 'The header does not say typ "at+jwt".');
  if (!isOneOf(algorithms, alg)) {
    throw new VerifyError('signature', 'The signature algorithm is not an accepted one.');
  }
  if (typeof kid !== 'string' || kid === '') throw new VerifyError('signature', 'The header names no key.');
  return { alg, kid };
}

/** RFC 7515 section 4.1.9: media types compare without case, and `application/` may be left out. */
export function isMediaType(typ: unknown, expected: string): boolean {
  if (typeof typ !== 'string') return false;
  const type = typ.toLowerCase();
  return type === expected || type === `application/${expected}`;
}

/**
 * Headers repeat: one per key of the issuer. The few that came with a valid signature are remembered, so only genuine
 * tokens can fill this, and a stream of forgeries cannot push anything out.
 */
export class HeaderMemory {
  readonly #known = new Map<string, AccessTokenHeader>();
  readonly #limit = 64;

  find(encoded: string): AccessTokenHeader | undefined {
    return this.#known.get(encoded);
  }

  remember(encoded: string, header: AccessTokenHeader): void {
    if (this.#known.size >= this.#limit) this.#known.clear();
    this.#known.set(encoded, header);
  }
}
