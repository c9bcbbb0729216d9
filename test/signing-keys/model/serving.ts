import { viewLifetime } from '../../../src/signing-keys/timing.ts';
import { violated } from './violation.ts';
import { type Node, recordOf, type Served, type World } from './world.ts';

/** A node that could not confirm its view for too long says so, and no balancer sends it anything. */
export function isInRotation(world: World, node: Node, at = world.now): boolean {
  return node.running && node.views.length > 0 && at < node.views[0]!.confirmedAt + viewLifetime(world.policy) * 1000;
}

/** How long a relying party may use what it has fetched, when its clock is set back meanwhile. */
export function longestCache({ policy }: World): number {
  return (Math.max(policy.jwksMaxAge, policy.cacheSupport) + policy.clockSkew) * 1000;
}

/** From now on somebody may fetch this key set from this node. */
export function serve(world: World, node: Node): void {
  const [newest] = node.views;
  if (!newest || !isInRotation(world, node)) return void delete node.document;
  const { jwks } = newest.rows.roles;
  const { document } = node;
  if (document && document.kids.size === jwks.length && jwks.every((kid) => document.kids.has(kid))) {
    document.until = Math.max(document.until, world.now);
    return;
  }
  const served: Served = { node: node.name, kids: new Set(jwks), from: world.now, until: world.now };
  node.document = served;
  world.served.push(served);
  checkServed(world, served);
}

/** K2 for whoever fetches this and nothing else: what is alive now verifies with it. */
function checkServed(world: World, served: Served): void {
  for (const [kid, { liveUntil }] of world.tokens) {
    if (liveUntil > world.now && !served.kids.has(kid) && mustVerify(world, kid, world.now)) {
      violated(world, 'K2', `${served.node} publishes [${[...served.kids]}] while tokens of ${kid} are alive`);
    }
  }
}

/** K2 for whoever keeps what it fetched for as long as we promise to support. */
export function checkSigned(world: World, kid: string, at: number): void {
  if (!mustVerify(world, kid, at)) return;
  const oldest = at - longestCache(world);
  for (const { node, kids, from, until } of world.served) {
    if (until > oldest && from <= at && !kids.has(kid)) {
      violated(
        world,
        'K2',
        `signed with ${kid}, which a key set fetched ${(at - until) / 1000} s ago from ${node} lacks`,
      );
    }
  }
}

/** Not what was revoked, nor what was activated early for as long as that was said to hurt. */
export function mustVerify(world: World, kid: string, at: number): boolean {
  const key = recordOf(world, kid);
  if (!key) return true;
  if (key.state === 'revoked') return false;
  return !(key.activatedEarly && at < key.publishedAt! + world.warmUp);
}

/** What is too long ago for any cache is forgotten. */
export function forgetServed(world: World): void {
  const oldest = world.now - longestCache(world);
  if (world.served.length > 8) world.served = world.served.filter(({ until }) => until >= oldest);
}
