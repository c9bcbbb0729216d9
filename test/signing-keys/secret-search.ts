import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import type { JWK } from 'jose';

/** So much of a secret in a row tells it apart from anything else, and most of a half of the shortest one. */
const PIECE = 12;

const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi'] as const;

/** What is secret of a private key. Every encoding of it contains these bytes; the rest of it is public, or the same for all. */
export function secretPartsOf(key: KeyObject): Buffer[] {
  const jwk = key.export({ format: 'jwk' }) as JWK;
  return PRIVATE_MEMBERS.flatMap((name) => jwk[name] ?? []).map((text) => Buffer.from(text, 'base64url'));
}

/** Where pieces of secrets are in a text: written as they are, or in hexadecimal, base64, base64url or as a list of numbers. */
export function findSecrets(text: string, secrets: readonly Buffer[]): string[] {
  const blobs = [Buffer.from(text, 'latin1'), ...decodable(text)];
  // What was written twice over, as a JWK in base64.
  for (const blob of [...blobs.slice(1)]) if (isText(blob)) blobs.push(...decodable(blob.toString()));
  const haystack = Buffer.concat(blobs.flatMap((blob) => [blob, Buffer.alloc(PIECE)])).toString('latin1');
  return secrets
    .flatMap(piecesOf)
    .filter((piece) => haystack.includes(piece.toString('latin1')))
    .map((piece) => piece.toString('hex'));
}

function piecesOf(secret: Buffer): Buffer[] {
  const starts = [0, Math.floor(secret.length / 2), secret.length - PIECE];
  return starts.map((at) => secret.subarray(at, at + PIECE));
}

function isText(blob: Buffer): boolean {
  return blob.length > PIECE && blob.every((byte) => byte >= 0x20 && byte < 0x7f);
}

/** What reads a text would also try: each long run of an alphabet, from each place at which a digit may begin. */
function decodable(text: string): Buffer[] {
  const found: Buffer[] = [];
  for (const [run] of text.matchAll(/[0-9a-fA-F]{24,}/g)) {
    found.push(Buffer.from(run, 'hex'), Buffer.from(run.slice(1), 'hex'));
  }
  for (const [run] of text.matchAll(/[A-Za-z0-9+/_-]{16,}/g)) {
    for (let start = 0; start < 4; start++) found.push(Buffer.from(run.slice(start), 'base64'));
  }
  for (const [run] of text.matchAll(/\d{1,3}(?:\s*,\s*\d{1,3}){11,}/g)) {
    found.push(Buffer.from(run.split(',').map(Number)));
  }
  return found;
}

/** Private keys that can be read out of a text, whosever they are. */
export function readPrivateKeys(text: string): KeyObject[] {
  const keys: KeyObject[] = [];
  const attempt = (make: () => KeyObject) => {
    try {
      keys.push(make());
    } catch {
      // Most of what is tried is no key.
    }
  };
  for (const [pem] of text.matchAll(/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]+?-----END [A-Z ]*PRIVATE KEY-----/g)) {
    attempt(() => createPrivateKey(pem.replaceAll('\\n', '\n')));
  }
  for (const blob of [...decodable(text), Buffer.from(text)]) {
    for (const jwk of jwksIn(blob.toString())) attempt(() => createPrivateKey({ key: jwk as never, format: 'jwk' }));
    // A sequence of more than 32 bytes (X.690 8.9), wherever it begins.
    for (let at = blob.indexOf(0x30); at >= 0 && at < blob.length - 40; at = blob.indexOf(0x30, at + 1)) {
      const key = blob.subarray(at);
      const looksEncoded = [0x81, 0x82].includes(key[1]!) || key[1]! > 0x20;
      if (!looksEncoded || !key.subarray(2, 8).includes(Buffer.from([0x02, 0x01]))) continue;
      for (const type of ['pkcs8', 'sec1', 'pkcs1'] as const) {
        attempt(() => createPrivateKey({ key, format: 'der', type }));
      }
    }
  }
  return keys;
}

function jwksIn(text: string): JWK[] {
  const found: JWK[] = [];
  for (const [object] of text.matchAll(/\{[^{}]*"d"\s*:[^{}]*\}/g)) {
    try {
      found.push(JSON.parse(object));
    } catch {
      // Not one.
    }
  }
  return found;
}

/** Whether what one signs, the other verifies. */
export function belongsTo(key: KeyObject, publicJwk: JWK): boolean {
  const publicKey = createPublicKey({ key: publicJwk as never, format: 'jwk' });
  if (key.asymmetricKeyType !== publicKey.asymmetricKeyType) return false;
  const digest = key.asymmetricKeyType === 'ed25519' ? null : 'sha256';
  return verify(digest, Buffer.from('text'), publicKey, sign(digest, Buffer.from('text'), key));
}
