/** Bytes of each half of a P-256 signature. */
const HALF = 32;

/**
 * An ES256 signature as JWS wants it, r and s of 32 bytes each, from the form that OpenSSL makes: a DER SEQUENCE of two INTEGERs, short
 * enough that every length is one byte. Node does the same when asked for `ieee-p1363`, which as of Node 24 takes as long as the
 * signature itself.
 * @see RFC 7518 3.4, RFC 3279 2.2.3
 */
export function es256SignatureOf(der: Buffer): Buffer {
  const signature = Buffer.alloc(2 * HALF);
  const lengthOfR = der[3]!;
  writeInteger(signature, HALF, der.subarray(4, 4 + lengthOfR));
  writeInteger(signature, 2 * HALF, der.subarray(6 + lengthOfR));
  return signature;
}

/** Ends it at `end`: a DER INTEGER has a zero in front where its first bit would be a sign, and none else. */
function writeInteger(target: Buffer, end: number, integer: Buffer): void {
  const significant = integer[0] === 0 ? integer.subarray(1) : integer;
  significant.copy(target, end - significant.length);
}
