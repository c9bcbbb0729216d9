import { isInRotation, mustVerify } from './serving.ts';
import { violated } from './violation.ts';
import type { RelyingParty, World } from './world.ts';

/** Verifies every token that is alive by its own clock, with the key set that it has or has to fetch. */
export function visit(world: World, party: RelyingParty): void {
  const { policy, now } = world;
  const allowed = (party.kind === 'max-age' ? policy.jwksMaxAge : policy.cacheSupport) * 1000 + party.slowBy;
  if (!party.cache || now >= party.cache.fetchedAt + allowed) fetchKeys(world, party);
  for (const [kid, { expiresAt }] of world.tokens) {
    if (!party.cache || expiresAt <= now + party.clockError || !mustVerify(world, kid, now)) continue;
    if (party.cache.kids.has(kid)) continue;
    if (party.kind === 'asking') fetchKeys(world, party);
    if (party.cache && !party.cache.kids.has(kid)) {
      const age = (now - party.cache.fetchedAt) / 1000;
      violated(world, 'K2', `${party.name} cannot verify what ${kid} signed: it fetched the key set ${age} s ago`);
    }
  }
}

/** From the node that the balancer gives it; without any, it has nothing to verify with. */
export function fetchKeys(world: World, party: RelyingParty, which = 0): void {
  const nodes = world.nodes.filter((node) => isInRotation(world, node));
  const node = nodes[which % nodes.length];
  if (node) party.cache = { kids: new Set(node.views[0]!.rows.roles.jwks), fetchedAt: world.now };
  else delete party.cache;
}
