import type { Change, KeyRecord, KeyState } from '../../../src/signing-keys/key-record.ts';
import { violated } from './violation.ts';
import type { Rows, World } from './world.ts';

const LIFE: readonly KeyState[] = ['staged', 'published', 'active', 'retiring', 'archived', 'destroyed'];
const MOST_PUBLISHED = 4;

export interface Commit {
  before: Rows;
  change: Change;
  /** Given for a rotation: whom its caller saw signing. */
  expectedActive?: string;
}

/** What a change of the rows may be, whoever made it. */
export function checkCommit(world: World, commit: Commit): void {
  for (const key of commit.change.keys) {
    const old = commit.before.keys.find(({ kid }) => kid === key.kid);
    if (old) checkForward(world, old, key);
    else checkNew(world, key);
    if (old) checkCleanUp(world, old, key);
    if (key.held) world.everHeld.add(key.kid);
    if (key.state === 'revoked' && !world.revoked.has(key.kid)) world.revoked.set(key.kid, world.now);
  }
  for (const { kind, kid } of commit.change.events) {
    const old = commit.before.keys.find((key) => key.kid === kid);
    if (kind === 'staged' && old) violated(world, 'K6', `${kid} is made a second time`);
  }
  checkRotation(world, commit);
  checkPublished(world, commit);
  checkOneOfEach(world);
}

function checkNew(world: World, { kid, algorithm }: KeyRecord): void {
  if (world.known.has(kid)) violated(world, 'K6', `${kid} was there before and is made a second time`);
  if (![...world.known.values()].includes(algorithm)) world.firstKeys.add(kid);
  world.known.set(kid, algorithm);
}

function checkForward(world: World, old: KeyRecord, key: KeyRecord): void {
  if (key.createdAt !== old.createdAt) violated(world, 'K6', `${key.kid} is made a second time`);
  if (key.state === old.state) return;
  const isForward = key.state === 'revoked' || LIFE.indexOf(key.state) > LIFE.indexOf(old.state);
  if (!isForward || old.state === 'revoked' || old.state === 'destroyed') {
    violated(world, 'K7', `${key.kid} goes from ${old.state} to ${key.state}`);
  }
}

function checkCleanUp(world: World, old: KeyRecord, key: KeyRecord): void {
  const { policy, now } = world;
  if (key.state === 'revoked' || old.state === 'revoked') return;
  const isErased = old.hasPrivateHalf && !key.hasPrivateHalf;
  const isCleanedUp = key.state !== old.state && ['archived', 'destroyed'].includes(key.state);
  if (old.held && (isErased || isCleanedUp)) violated(world, 'K14', `${key.kid} is held and was cleaned up`);
  if (isErased && !(now >= old.retiredAt! + (policy.propagation + policy.clockSkew) * 1000)) {
    violated(world, 'erasure', `the private half of ${key.kid} is erased while a node may still sign with it`);
  }
  const left = Math.max(old.archivedAt ?? 0, old.retiredAt ?? 0);
  if (key.state === 'destroyed' && old.state !== 'destroyed' && now < left + policy.hintRetention * 1000) {
    violated(world, 'H', `${key.kid} is destroyed while ID tokens of it may be shown at the sign-out`);
  }
}

/** Many who want the same key replaced replace it once. */
function checkRotation(world: World, { change, expectedActive }: Commit): void {
  const activated = change.events.filter(({ kind }) => kind === 'activated');
  if (expectedActive && activated.length > 0) {
    const current = world.lastActive.get(activated[0]!.algorithm) ?? expectedActive;
    if (current !== expectedActive) {
      violated(
        world,
        'K9',
        `rotated again for somebody who wanted ${expectedActive} replaced, after it was: by ${current}`,
      );
    }
  }
  for (const { kid, algorithm } of activated) {
    const key = change.keys.find((one) => one.kid === kid)!;
    const isYoung = world.now < key.publishedAt! + world.warmUp;
    if (isYoung && !key.activatedEarly && !world.firstKeys.has(kid)) {
      violated(world, 'K3', `${kid} is activated before its warm-up, and nothing says so`);
    }
    world.lastActive.set(algorithm, kid);
  }
}

/** What leaves the key set, and how much is in it. */
function checkPublished(world: World, { before }: Commit): void {
  const { roles, keys } = world.database;
  for (const kid of before.roles.jwks) {
    if (roles.jwks.includes(kid)) continue;
    const left = (world.tokens.get(kid)?.liveUntil ?? 0) - world.now;
    if (left > 0 && !roles.revoked.includes(kid)) {
      violated(world, 'K5', `${kid} leaves the key set ${left / 1000} s before the last token that it signed ends`);
    }
  }
  for (const algorithm of world.algorithms) {
    const inSet = keys.filter((key) => key.algorithm === algorithm && roles.jwks.includes(key.kid));
    const counted = inSet.filter((key) => !(key.state === 'retiring' && world.everHeld.has(key.kid)));
    if (counted.length > MOST_PUBLISHED) violated(world, 'K11', `${counted.length} keys of ${algorithm} are published`);
  }
}

function checkOneOfEach(world: World): void {
  const { keys } = world.database;
  for (const algorithm of world.algorithms) {
    const of = (state: KeyState) => keys.filter((key) => key.algorithm === algorithm && key.state === state);
    const [active, published] = [of('active'), of('published')];
    if (active.length !== 1) violated(world, 'K1', `${active.length} keys of ${algorithm} are active`);
    if (published.length > 1) violated(world, 'K1', `${published.length} keys of ${algorithm} are spares`);
    for (const { kid, hasPrivateHalf } of [...active, ...published]) {
      if (!hasPrivateHalf) violated(world, 'erasure', `${kid} is to sign and has no private half`);
    }
  }
}
