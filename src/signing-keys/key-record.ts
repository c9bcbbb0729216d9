import { ALGORITHMS, type Algorithm } from './key-pair.ts';

/** Forward only; `revoked` from everywhere but `destroyed`. */
export type KeyState = 'staged' | 'published' | 'active' | 'retiring' | 'archived' | 'destroyed' | 'revoked';

/** A row, without what is sealed. Times are the database's, in milliseconds since 1970. */
export interface KeyRecord {
  kid: string;
  algorithm: Algorithm;
  state: KeyState;
  hasPrivateHalf: boolean;
  /** Seconds: the longest that anything it signed may be valid. Only grows. */
  tokenLifetime: number;
  /** It began to sign before every relying party could know it. */
  activatedEarly: boolean;
  /** Clean-up leaves it as it is. */
  held: boolean;
  revocationReason?: string;
  createdAt: number;
  publishedAt?: number;
  activatedAt?: number;
  /** When its successor became active. */
  retiredAt?: number;
  archivedAt?: number;
  destroyedAt?: number;
  revokedAt?: number;
}

/** Generated and tested, and not stored yet. */
export interface NewKey {
  kid: string;
  algorithm: Algorithm;
  tokenLifetime: number;
}

export interface KeyEvent {
  kind: 'staged' | 'published' | 'activated' | 'retired' | 'erased' | 'archived' | 'destroyed' | 'revoked';
  kid: string;
  algorithm: Algorithm;
  /** Relying parties with an older copy of the key set do not know it yet. */
  early?: boolean;
  reason?: string;
}

export interface Change {
  /** Those that differ, and the new ones. */
  keys: KeyRecord[];
  events: KeyEvent[];
}

/** What a node that sees these rows publishes, signs with, accepts in an ID token hint, and never touches again. */
export interface KeyRoles {
  /** In the order of the key set. */
  jwks: string[];
  signers: Map<Algorithm, string>;
  hints: string[];
  revoked: string[];
}

const PUBLISHED: readonly KeyState[] = ['active', 'retiring', 'published'];

/** The same from the same rows, wherever and in whatever order they are read. */
export function viewOf(keys: readonly KeyRecord[]): KeyRoles {
  const sorted = [...keys].sort(byPlace);
  const kidsIn = (...states: KeyState[]) => sorted.filter(({ state }) => states.includes(state)).map(({ kid }) => kid);
  return {
    jwks: kidsIn(...PUBLISHED),
    signers: new Map(sorted.filter(({ state }) => state === 'active').map(({ algorithm, kid }) => [algorithm, kid])),
    hints: kidsIn('archived'),
    revoked: kidsIn('revoked'),
  };
}

/** Of each algorithm the key that signs first: some who read a key set take the first that fits. */
function byPlace(a: KeyRecord, b: KeyRecord): number {
  return (
    ALGORITHMS.indexOf(a.algorithm) - ALGORITHMS.indexOf(b.algorithm) ||
    PUBLISHED.indexOf(a.state) - PUBLISHED.indexOf(b.state) ||
    (b.publishedAt ?? 0) - (a.publishedAt ?? 0) ||
    (a.kid < b.kid ? -1 : 1)
  );
}
