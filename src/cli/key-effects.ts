import type { Algorithm } from '../signing-keys/key-pair.ts';
import type { KeyRecord } from '../signing-keys/key-record.ts';
import type { RotatingPurpose } from '../signing-keys/secret-life-cycle.ts';
import { type KeyPolicy, warmUp } from '../signing-keys/timing.ts';

/** What a change of keys means for others, in words for whoever ordered it. */

/** `spare` as it was before it began to sign; absent when it was made just now. */
export function effectOfRotation(
  algorithm: Algorithm,
  { early, spare, now, policy }: { early: boolean; spare?: KeyRecord; now: number; policy: KeyPolicy },
): string {
  const published = spare?.publishedAt ?? now;
  const age = (now - published) / 1000;
  if (!early) {
    return `Relying parties know it: it was published ${inWords(age)} ago, and copies of the key set up to ${inWords(policy.cacheSupport)} old are supported.`;
  }
  const [following, all] = [policy.jwksMaxAge - age, warmUp(policy) - age].map((left) => Math.max(0, left));
  return [
    `It was published ${spare ? `${inWords(age)} ago` : 'just now'}. Relying parties whose copy of the key set is older refuse ${algorithm} tokens signed from now on until`,
    `they read it again: those that do so at an unknown kid at once, those that follow Cache-Control after ${inWords(following!)} at most,`,
    `all others that are supported after ${inWords(all!)} at most (${dateOf(now + all! * 1000)}).`,
  ].join(' ');
}

export function effectOfRevocation(policy: KeyPolicy, { tokenLifetime }: Pick<KeyRecord, 'tokenLifetime'>): string {
  const { jwksMaxAge, cacheSupport } = policy;
  return [
    'No node of ours signs with it or accepts it any more within 5 s; a node that is cut off or stalled at this moment, 15 s. It has left the key set.',
    'Relying parties and APIs that verify by themselves go on with their copy of the key set: those that follow Cache-Control for',
    `${inWords(jwksMaxAge)} at most, all others that are supported for ${inWords(Math.max(jwksMaxAge, cacheSupport))}. Until then whoever has the private half can make tokens`,
    `that they take for ours, whatever we end here; what we signed ourselves ends by itself within ${inWords(tokenLifetime)}. Ask those that matter`,
    'to read the key set again or to restart.',
  ].join(' ');
}

const EFFECTS: Record<RotatingPurpose, { done: string; early: string }> = {
  'cookie-signature': {
    done: 'Cookies signed before stay valid as long as the longest session; nobody is signed out.',
    early:
      'It was made just now, and every cookie key of before is deleted: everybody is signed out. Until each node knows it, for seconds, people may have to sign in again once more.',
  },
  'password-pepper': {
    done: 'Each password is hashed anew at its owner’s next sign-in. The one before stays until no password needs it.',
    early: 'A node that does not know it yet reads it when it meets a password hashed with it.',
  },
  'dpop-nonce': {
    done: 'Nonces handed out before stay valid until they are too old; nobody notices.',
    early:
      'Nonces of nodes that know it are answered with use_dpop_nonce by those that do not, for seconds; clients repeat the request with the new one.',
  },
};

export function effectOfSecret(purpose: RotatingPurpose, early: boolean): string {
  const { done, early: besides } = EFFECTS[purpose];
  // Of cookie keys none stays then.
  if (early && purpose === 'cookie-signature') return besides;
  return early ? `${done} ${besides}` : done;
}

const UNITS: [name: string, seconds: number][] = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
  ['s', 1],
];

/** The two largest units: `23 h 59 min`. */
export function inWords(seconds: number): string {
  let left = Math.max(0, Math.round(seconds));
  const parts: string[] = [];
  for (const [name, size] of UNITS) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0) parts.push(`${count} ${name}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(' ') || '0 s';
}

export function dateOf(time: number): string {
  return new Date(time).toISOString().replace(/\.\d+Z$/, 'Z');
}
