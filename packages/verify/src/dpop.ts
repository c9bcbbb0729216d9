import { createHash } from 'node:crypto';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { type Algorithm, algorithmsOf, checkAlgorithms, DPOP_ALGORITHMS, isOneOf } from './algorithms.ts';
import { type CompactJws, decodeObject, parseCompact } from './compact.ts';
import type { DpopNonces } from './dpop-nonces.ts';
import { DpopError } from './errors.ts';
import { isMediaType } from './header.ts';
import type { JsonObject } from './json.ts';
import { importPublicKey } from './key-set.ts';
import { createMemoryReplayStore, type ReplayStore } from './replay-store.ts';
import { isSignedBy } from './signature.ts';
import { normalizeTargetUri } from './target-uri.ts';
import { checkSeconds, isNumericDate } from './time.ts';

/** How proofs of possession are judged. Every member has a safe default. */
export interface DpopOptions {
  /** Accepted proof algorithms; ES256, PS256, EdDSA and Ed25519 unless told. */
  readonly algorithms?: readonly string[];
  /** How old a proof may be, in seconds, the clock tolerance apart: 1 to 300, 60 unless told. */
  readonly maxAge?: number;
  /** Where used proofs are remembered; in this process unless told. */
  readonly replayStore?: ReplayStore;
  /** When given, every proof must carry one of these nonces. */
  readonly nonces?: DpopNonces;
}

/** The request that came with a `DPoP` header. */
export interface DpopRequest {
  /** The `DPoP` header; `undefined` when the request has none. */
  readonly proof: string | undefined;
  readonly method: string;
  /** The target URI as the client sees it, behind whatever proxies. Never build it from the `Host` header alone. */
  readonly url: string;
}

export interface ProofChecker {
  readonly algorithms: ReadonlySet<Algorithm>;
  /** @throws DpopError when the proof does not prove that the sender of this very request holds the key */
  check(request: DpopRequest, accessToken: string, jkt: string): Promise<void>;
}

const MAX_PROOF_LENGTH = 8192;
const MAX_JTI_LENGTH = 256;
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/** @see {@link https://www.rfc-editor.org/rfc/rfc9449#section-4.3 RFC 9449 section 4.3}, whose checks are numbered below */
export function createProofChecker(options: DpopOptions, clockTolerance: number, now: () => number): ProofChecker {
  const algorithms = checkAlgorithms(options.algorithms ?? DPOP_ALGORITHMS, 'dpop.algorithms');
  const maxAge = checkSeconds(options.maxAge ?? 60, 'dpop.maxAge', 1, 300);
  const replays = options.replayStore ?? createMemoryReplayStore({ now });

  async function check(request: DpopRequest, accessToken: string, jkt: string): Promise<void> {
    const { proof } = request;
    if (proof === undefined)
      throw new DpopError('invalid_token', 'The token is bound to a key: a DPoP proof is required.');
    const jws = parseCompact(proof, MAX_PROOF_LENGTH); // 2
    const header = jws && decodeObject(jws.protected);
    const claims = jws && decodeObject(jws.payload);
    if (!jws || !header || !claims) throw invalid('The proof is not a well-formed JWT.');

    const { alg, jwk } = readProofHeader(header, algorithms);
    // 12b, early: only the key that the token names can make us spend a signature check
    if ((await thumbprintOf(jwk)) !== jkt) {
      throw new DpopError('invalid_token', 'The proof was made with another key than the token is bound to.');
    }
    const iat = checkClaims(claims, request, accessToken);
    const time = now() / 1000; // 11
    if (iat > time + clockTolerance || iat < time - maxAge - clockTolerance) throw invalid('The proof is not fresh.');
    await checkSignature(jws, jwk, alg); // 6
    checkNonce(claims.nonce, options.nonces); // 10
    // last, so that nothing but a good proof is ever remembered: section 11.1
    const expiresAt = (iat + maxAge + clockTolerance) * 1000 + 1000;
    if (!(await replays.claimOnce(replayKey(jkt, claims.jti as string), expiresAt))) {
      throw invalid('The proof was used before.');
    }
  }

  return { algorithms, check };
}

function readProofHeader(header: JsonObject, algorithms: ReadonlySet<Algorithm>): { alg: Algorithm; jwk: JsonObject } {
  const { typ, alg, jwk, crit } = header;
  if (crit !== undefined) throw invalid('The proof marks an extension as critical.');
  if (!isMediaType(typ, 'dpop+jwt')) throw invalid('The proof does not say typ "dpop+jwt".'); // 4
  if (!isOneOf(algorithms, alg)) throw invalid('The algorithm of the proof is not accepted.'); // 5
  if (typeof jwk !== 'object' || jwk === null || Array.isArray(jwk)) throw invalid('The proof carries no key.');
  if (PRIVATE_MEMBERS.some((member) => Object.hasOwn(jwk, member))) throw invalid('The proof carries a private key.'); // 7
  if (!algorithmsOf(jwk).includes(alg)) throw invalid('The key of the proof does not fit its algorithm.');
  return { alg, jwk: jwk as JsonObject };
}

/** @returns `iat`, which the caller holds against the clock */
function checkClaims(claims: JsonObject, request: DpopRequest, accessToken: string): number {
  const { jti, htm, htu, iat, ath } = claims; // 3
  if (typeof jti !== 'string' || jti === '' || jti.length > MAX_JTI_LENGTH)
    throw invalid('The proof has no usable jti.');
  if (htm !== request.method) throw invalid('The proof is for another method.'); // 8
  const target = normalizeTargetUri(request.url); // 9
  if (typeof htu !== 'string' || target === undefined || normalizeTargetUri(htu) !== target) {
    throw invalid('The proof is for another URL.');
  }
  if (!isNumericDate(iat)) throw invalid('The proof has no usable iat.');
  if (ath !== sha256(accessToken)) throw invalid('The proof is for another access token.'); // 12a
  return iat;
}

async function checkSignature(jws: CompactJws, jwk: JsonObject, alg: Algorithm): Promise<void> {
  const key = await importPublicKey(jwk, alg);
  if (key === undefined) throw invalid('The key of the proof cannot be used.');
  if (!(await isSignedBy(key, jws.signingInput, jws.signature))) throw invalid('The signature of the proof is wrong.');
}

function checkNonce(nonce: unknown, nonces: DpopNonces | undefined): void {
  if (nonces !== undefined && !(typeof nonce === 'string' && nonces.accepts(nonce))) {
    throw new DpopError('use_dpop_nonce', 'The proof must carry the nonce given in DPoP-Nonce.');
  }
}

function thumbprintOf(jwk: JsonObject): Promise<string | undefined> {
  return calculateJwkThumbprint(jwk as JWK).catch(() => undefined);
}

/** One short key whatever the client put into its jti; a jti is unique per key, not in the world. */
function replayKey(jkt: string, jti: string): string {
  return sha256(`${jkt} ${jti}`);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

function invalid(message: string): DpopError {
  return new DpopError('invalid_dpop_proof', message);
}
