import { randomFillSync } from 'node:crypto';
import { v7 } from 'uuid';
import { sha256 } from '../platform/sha256.ts';

const ID_BYTES = 16;
const POOL = Buffer.alloc(128 * ID_BYTES);

let used = POOL.length;
let millisecond = 0;
let sequence = 0;

/**
 * A UUIDv7 that is greater than the ones made here before it, so that events of one moment keep their order. Asking the system for
 * random bytes once for many ids is most of what makes it cheap; the library by itself asks for each.
 * @see RFC 9562 6.2 method 1
 */
export function eventId(): string {
  if (used === POOL.length) {
    randomFillSync(POOL);
    used = 0;
  }
  const random = POOL.subarray(used, used + ID_BYTES);
  used += ID_BYTES;
  const now = Date.now();
  if (now > millisecond) {
    millisecond = now;
    // The upper half stays free to count in.
    sequence = random.readUInt32BE(6) >>> 2;
  } else {
    sequence += 1;
  }
  return v7({ random, msecs: millisecond, seq: sequence });
}

/** The one UUIDv7 of something that began at `since` (milliseconds since 1970), whoever makes it. */
export function eventIdOf(identity: string, since: number): string {
  const random = sha256(identity).subarray(0, ID_BYTES);
  return v7({ random, msecs: since, seq: random.readUInt32BE(6) });
}
