import type { Look } from '../../../src/signing-keys/fence.ts';
import { checkSigned } from './serving.ts';
import { violated } from './violation.ts';
import { type HeldView, type Node, recordOf, type World } from './world.ts';

/** The node signs with everything that this view lets it sign with, for as long as it may. */
export function signAt(world: World, node: Node, view: HeldView, at: number): void {
  const { policy, logic } = world;
  const newest = lookOf(node.views[0]!);
  const own = lookOf(view);
  for (const kid of view.rows.roles.signers.values()) {
    if (!logic.maySign(kid, own, newest, at, policy)) continue;
    checkSignature(world, node, view, kid, at);
    const expiresAt = at + node.tokenLifetime * 1000;
    const liveUntil = expiresAt + policy.clockSkew * 1000;
    const before = world.tokens.get(kid);
    if (!before || before.liveUntil < liveUntil) {
      world.tokens.set(kid, { expiresAt: expiresAt + node.clockError, liveUntil });
    }
    checkSigned(world, kid, at);
  }
}

function checkSignature(world: World, node: Node, view: HeldView, kid: string, at: number): void {
  const bound = world.policy.propagation * 1000;
  if (at > node.contactAt + bound) {
    const ago = (at - node.contactAt) / 1000;
    violated(world, 'K13', `${node.name} signs with ${kid}, and asked the database for the last time ${ago} s ago`);
  }
  const revokedAt = world.revoked.get(kid);
  if (revokedAt !== undefined) {
    if (at > revokedAt + bound) {
      violated(world, 'K8', `${node.name} signs with ${kid}, revoked ${(at - revokedAt) / 1000} s ago`);
    }
    if (node.views[0]!.rows.keys.some((key) => key.kid === kid && key.state === 'revoked')) {
      violated(world, 'K8', `${node.name} signs with ${kid}, which it knows to be revoked`);
    }
  }
  const isPublished = world.database.roles.jwks.includes(kid) || revokedAt !== undefined;
  if (!isPublished || !view.rows.roles.jwks.includes(kid)) {
    violated(world, 'K4', `${node.name} signs with ${kid}, which is not in the key set`);
  }
  const key = recordOf(world, kid)!;
  const isYoung = at < key.publishedAt! + world.warmUp;
  if (isYoung && !key.activatedEarly && !world.firstKeys.has(kid)) {
    violated(world, 'K3', `${node.name} signs with ${kid}, published ${(at - key.publishedAt!) / 1000} s ago`);
  }
}

function lookOf({ rows: { version, signers, revoked }, confirmedAt }: HeldView): Look {
  return { version, confirmedAt, signers, revoked };
}
