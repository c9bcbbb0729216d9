import type { Algorithm } from '../../../src/signing-keys/key-pair.ts';
import type { KeyRecord, KeyRoles } from '../../../src/signing-keys/key-record.ts';
import type { KeyPolicy } from '../../../src/signing-keys/timing.ts';
import type { Logic } from './logic.ts';

/** Everything in milliseconds of true time, which is the database's. */
export interface World {
  logic: Logic;
  policy: KeyPolicy;
  /** W, by the formula of KEYS.md, not by what is tested. */
  warmUp: number;
  algorithms: Algorithm[];
  now: number;
  database: Rows;
  /** Nobody reads the clock in a transaction before the one before him has committed. */
  committedAt: number;
  nodes: Node[];
  relyingParties: RelyingParty[];
  /** What was signed, by kid: only the token that lives longest matters. */
  tokens: Map<string, Signed>;
  /** Key sets that somebody may have fetched lately. */
  served: Served[];
  /** When it was acknowledged that a kid is revoked. */
  revoked: Map<string, number>;
  /** Every kid ever stored. */
  known: Map<string, Algorithm>;
  firstKeys: Set<string>;
  /** Those come on top of K11 when they retire, also when they are released meanwhile. */
  everHeld: Set<string>;
  /** Who was activated last, of each algorithm. */
  lastActive: Map<Algorithm, string>;
  /** The active key of an algorithm as somebody saw it who has not acted yet. */
  lookedUp: Map<Algorithm, string>;
  made: number;
  story: string[];
}

/** Where a node dies in its next transaction. `after` is a commit that nobody heard of. */
export type CrashPoint = 'before' | 'middle' | 'after';

export interface Node {
  name: string;
  running: boolean;
  connected: boolean;
  /** Gets no notifications. */
  deaf: boolean;
  pollEvery: number;
  phase: number;
  /** Of its wall clock, which only its tokens show. */
  clockError: number;
  /** Seconds: what it is configured to sign. */
  tokenLifetime: number;
  crashAt?: CrashPoint;
  /** How long its transactions take from the clock read to the commit. */
  commitDelay: number;
  /** The newest first; the others serve requests that began with them. */
  views: HeldView[];
  /** The true time of the last question that the database answered. */
  contactAt: number;
  /** An answer that is still on its way. */
  reading?: { askedAt: number; arrivesAt: number; rows: Rows };
  document?: Served;
}

/** One version of what is stored, and what a node makes of it. */
export interface Rows {
  version: number;
  keys: readonly KeyRecord[];
  roles: KeyRoles;
  signers: ReadonlySet<string>;
  revoked: ReadonlySet<string>;
}

export interface HeldView {
  rows: Rows;
  /** What the node believes. */
  confirmedAt: number;
}

export interface RelyingParty {
  name: string;
  /** `max-age` obeys the header, `stubborn` keeps what it has for C, `asking` also reads again for a kid it does not know. */
  kind: 'max-age' | 'stubborn' | 'asking';
  /** Of the clock by which it takes tokens for expired. */
  clockError: number;
  /** How much longer it keeps what it has, because its clock was set back. */
  slowBy: number;
  cache?: { kids: Set<string>; fetchedAt: number };
}

export interface Signed {
  /** As the token says, by the clock of the node. */
  expiresAt: number;
  /** Until when somebody may take it for valid: clocks and tolerance together err by S at most. */
  liveUntil: number;
}

export interface Served {
  node: string;
  kids: ReadonlySet<string>;
  from: number;
  until: number;
}

export interface Setup {
  policy: KeyPolicy;
  algorithms: Algorithm[];
  nodes: { tokenLifetime: number; pollEvery: number; phase: number; clockError: number }[];
  relyingParties: { kind: RelyingParty['kind']; clockError: number; slowBy: number }[];
}

export const START = 1_000_000;

export function createWorld(logic: Logic, { policy, algorithms, nodes, relyingParties }: Setup): World {
  return {
    logic,
    policy,
    warmUp: (Math.max(policy.jwksMaxAge, policy.cacheSupport) + policy.propagation + policy.clockSkew) * 1000,
    algorithms,
    now: START,
    database: rowsOf(logic, 0, []),
    committedAt: START,
    nodes: nodes.map((node, index) => ({
      ...node,
      name: `node ${index}`,
      running: false,
      connected: true,
      deaf: false,
      commitDelay: 0,
      views: [],
      contactAt: Number.NEGATIVE_INFINITY,
    })),
    relyingParties: relyingParties.map((party, index) => ({
      ...party,
      name: `relying party ${index} (${party.kind})`,
    })),
    tokens: new Map(),
    served: [],
    revoked: new Map(),
    known: new Map(),
    firstKeys: new Set(),
    everHeld: new Set(),
    lastActive: new Map(),
    lookedUp: new Map(),
    made: 0,
    story: [],
  };
}

export function rowsOf(logic: Logic, version: number, keys: readonly KeyRecord[]): Rows {
  const roles = logic.viewOf(keys);
  return { version, keys, roles, signers: new Set(roles.signers.values()), revoked: new Set(roles.revoked) };
}

export function tell(world: World, text: string): void {
  world.story.push(`${((world.now - START) / 1000).toFixed(3).padStart(9)} s  ${text}`);
}

export function recordOf(world: World, kid: string): KeyRecord | undefined {
  return world.database.keys.find((key) => key.kid === kid);
}
