import type { Algorithm } from '../../../src/signing-keys/key-pair.ts';
import type { Change, KeyRecord, NewKey } from '../../../src/signing-keys/key-record.ts';
import { commitBound } from '../../../src/signing-keys/timing.ts';
import { checkCommit } from './check-commit.ts';
import { serve } from './serving.ts';
import { violated } from './violation.ts';
import { type Node, type Rows, rowsOf, tell, type World } from './world.ts';

/** Reads the database, and does what is due. */
export function poll(world: World, node: Node): void {
  if (!node.running || !node.connected || node.reading) return;
  take(world, node, world.database, world.now);
  if (node.running && doDuties(world, node) && node.commitDelay === 0 && isAnythingDue(world)) {
    violated(world, 'K10', `${node.name} did what is due, and something still is`);
  }
}

export function isAnythingDue({ logic, database, policy, now }: World): boolean {
  return logic.nextTransitionAt(database.keys, policy) <= now;
}

/** An answer to the question of `askedAt`. A view in which this node's tokens are longer than was recorded serves nobody. */
export function take(world: World, node: Node, rows: Rows, askedAt: number): void {
  node.contactAt = Math.max(node.contactAt, askedAt);
  const confirmedAt = world.logic.confirmedAt(askedAt, world.now);
  const [newest] = node.views;
  if (newest?.rows.version === rows.version) newest.confirmedAt = Math.max(newest.confirmedAt, confirmedAt);
  else if (newest && newest.rows.version > rows.version) return;
  else if (world.logic.extendTokenLifetime(rows.keys, node.tokenLifetime).length > 0) {
    transact(world, node, 'records its token lifetime', () => undefined);
  } else {
    node.views.unshift({ rows, confirmedAt });
    if (node.views.length > 3) node.views.pop();
  }
  serve(world, node);
}

/** False when it died of it. */
function doDuties(world: World, node: Node): boolean {
  const { logic, policy, algorithms } = world;
  const before = world.database;
  const missing = logic.missingKeys(before.keys, algorithms);
  if (missing.length === 0 && !isAnythingDue(world)) return true;
  const made = missing.map((algorithm) => makeKey(world, node, algorithm));
  const done = transact(world, node, 'advances', (keys, now) => logic.advance(keys, now, policy, made));
  // The first key of an algorithm is not yet its spare.
  return done && (world.database === before || doDuties(world, node));
}

export function makeKey(world: World, node: Node, algorithm: Algorithm): NewKey {
  world.made += 1;
  return { kid: world.logic.nameKey(world.made, world.known), algorithm, tokenLifetime: node.tokenLifetime };
}

export interface TransactionOptions {
  /** Whom somebody wants replaced. */
  expectedActive?: string;
  /** What was read before others changed it; a database without a lock would work on it. */
  stale?: readonly KeyRecord[];
}

/**
 * One transaction under the lock: reads the rows, writes those that change, counts the version up. Dies where the node is to
 * die. False when nobody learns how it ended.
 */
export function transact(
  world: World,
  node: Node,
  what: string,
  compute: (keys: readonly KeyRecord[], now: number) => Change | undefined,
  { expectedActive, stale }: TransactionOptions = {},
): boolean {
  if (!node.running || !node.connected) return false;
  const { crashAt } = node;
  delete node.crashAt;
  if (crashAt === 'before') return crash(world, node, `before it ${what}`);
  const seen = stale && !world.logic.readsUnderLock ? stale : world.database.keys;
  const delay = Math.min(node.commitDelay, commitBound(world.policy) * 1000);
  const readAt = Math.max(world.now - delay, world.committedAt);
  const computed = compute(seen, readAt) ?? { keys: [], events: [] };
  const change = withTokenLifetime(world, node, seen, computed);
  if (crashAt === 'middle') return crash(world, node, `in the middle when it ${what}`);
  if (change.keys.length > 0) commit(world, node, what, change, expectedActive);
  if (crashAt === 'after') return crash(world, node, `after the commit when it ${what}`);
  take(world, node, world.database, world.now);
  return true;
}

/** Every transaction of a node also records how long its tokens live. */
function withTokenLifetime(world: World, node: Node, seen: readonly KeyRecord[], change: Change): Change {
  const changed = new Map(change.keys.map((key) => [key.kid, key]));
  const rows = [...seen.filter(({ kid }) => !changed.has(kid)), ...change.keys];
  for (const key of world.logic.extendTokenLifetime(rows, node.tokenLifetime)) changed.set(key.kid, key);
  return { keys: [...changed.values()], events: change.events };
}

function commit(world: World, node: Node, what: string, change: Change, expectedActive?: string): void {
  const before = world.database;
  world.committedAt = world.now;
  const keys = new Map([...before.keys, ...change.keys].map((key) => [key.kid, key]));
  world.database = rowsOf(world.logic, before.version + 1, [...keys.values()]);
  const events = change.events.map(({ kind, kid, early }) => `${kind} ${kid}${early ? ' early' : ''}`);
  tell(world, `${node.name} ${what}: ${events.join(', ') || change.keys.map(({ kid }) => kid).join(', ')}`);
  checkCommit(world, { before, change, ...(expectedActive && { expectedActive }) });
}

/** Those who listen and can, read at once. */
export function notify(world: World): void {
  for (const node of world.nodes) {
    if (!node.deaf && node.views[0]?.rows !== world.database) poll(world, node);
  }
}

export function crash(world: World, node: Node, when: string): false {
  tell(world, `${node.name} dies ${when}`);
  node.running = false;
  node.views = [];
  delete node.reading;
  delete node.document;
  return false;
}

/** Opens: reads, makes what is missing, records how long its tokens live, and only then signs. */
export function start(world: World, node: Node): void {
  if (node.running || !node.connected) return;
  tell(world, `${node.name} starts, with tokens of ${node.tokenLifetime} s`);
  node.running = true;
  delete node.crashAt;
  if (doDuties(world, node)) poll(world, node);
}
