import { type JsonObject, parseStrictObject } from './json.ts';

/** A JWS in compact serialization, cut up and proven to have one reading only. Nothing in it is trusted yet. */
export interface CompactJws {
  /** The protected header as it was sent: the key under which a parsed header may be remembered. */
  readonly protected: string;
  readonly payload: string;
  readonly signature: Buffer<ArrayBuffer>;
  /** What the signature covers: header and payload as sent. */
  readonly signingInput: string;
}

/**
 * Cuts a compact JWS into its parts: exactly three, each in canonical base64url.
 *
 * @returns `undefined` for anything else
 * @see {@link https://www.rfc-editor.org/rfc/rfc7515#section-7.1 RFC 7515 section 7.1}
 */
export function parseCompact(token: string, maxLength: number): CompactJws | undefined {
  if (token.length > maxLength) return undefined; // before any work that grows with it
  const first = token.indexOf('.');
  const second = token.indexOf('.', first + 1);
  if (first < 1 || second <= first + 1 || token.indexOf('.', second + 1) !== -1) return undefined;
  const signature = decodeCanonical(token.slice(second + 1));
  if (signature === undefined) return undefined;
  return {
    protected: token.slice(0, first),
    payload: token.slice(first + 1, second),
    signature,
    signingInput: token.slice(0, second),
  };
}

/** Decodes one part that must hold a JSON object. */
export function decodeObject(part: string): JsonObject | undefined {
  const bytes = decodeCanonical(part);
  return bytes && parseStrictObject(bytes);
}

/**
 * Node's decoder forgives padding, foreign letters and stray bits at the end, so several strings would mean the same
 * token and a revocation list or a cache could be walked around. Encoding back again leaves one.
 */
function decodeCanonical(part: string): Buffer<ArrayBuffer> | undefined {
  const bytes = Buffer.from(part, 'base64url');
  return bytes.length > 0 && bytes.toString('base64url') === part ? bytes : undefined;
}
