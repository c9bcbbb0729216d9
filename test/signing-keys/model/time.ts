import { viewLifetime } from '../../../src/signing-keys/timing.ts';
import { isAnythingDue, poll, start, take } from './nodes.ts';
import { visit } from './relying-parties.ts';
import { forgetServed, isInRotation, serve } from './serving.ts';
import { signAt } from './signing.ts';
import { violated } from './violation.ts';
import { type Node, START, type World } from './world.ts';

/** Lets time pass. Whatever happens meanwhile happens at its moment, and every node signs at every moment it may. */
export function passUntil(world: World, end: number): void {
  for (let events = 0; world.now < end; events++) {
    if (events > 10_000) violated(world, 'K10', 'the scheduler turns without getting anywhere');
    pass(world, Math.min(end, nextEvent(world)));
    for (const node of world.nodes) {
      if (node.reading && node.reading.arrivesAt <= world.now) receive(world, node);
      if (node.running && isPollTime(node, world.now)) poll(world, node);
    }
    look(world);
  }
}

/** A poll matters that finds something new, or something to do; the others only confirm. */
function nextEvent(world: World): number {
  const { logic, database, policy, now } = world;
  const isIncomplete = logic.missingKeys(database.keys, world.algorithms).length > 0;
  const due = isIncomplete ? now : logic.nextTransitionAt(database.keys, policy);
  let next = Number.POSITIVE_INFINITY;
  for (const node of world.nodes) {
    if (!node.running) continue;
    if (node.reading) next = Math.min(next, node.reading.arrivesAt);
    else if (node.connected) {
      const isBehind = node.views[0]?.rows !== database;
      next = Math.min(next, pollTime(node, isBehind ? now + 1 : Math.max(due, now + 1)));
    }
  }
  return next;
}

function pass(world: World, end: number): void {
  const from = world.now;
  world.now = end;
  for (const node of world.nodes) {
    if (!node.running) continue;
    const [newest] = node.views;
    if (node.connected && !node.reading && newest?.rows === world.database) {
      const lastPoll = pollTime(node, end + 1) - node.pollEvery;
      if (lastPoll > from) newest.confirmedAt = node.contactAt = lastPoll;
    }
    const validFor = viewLifetime(world.policy) * 1000;
    for (const view of node.views) {
      const last = view.confirmedAt + validFor - 1;
      if (last > from && last < end) signAt(world, node, view, last);
    }
    if (newest && node.document) {
      node.document.until = Math.max(node.document.until, Math.min(end, newest.confirmedAt + validFor));
    }
    serve(world, node);
  }
}

/** What is true at this moment: who signs what, and whether everybody can verify it. */
export function look(world: World): void {
  for (const node of world.nodes) {
    if (!node.running) continue;
    for (const view of node.views) signAt(world, node, view, world.now);
    checkAccepted(world, node);
  }
  for (const party of world.relyingParties) visit(world, party);
  forgetServed(world);
}

/** K8: what our own endpoints take for ours. */
function checkAccepted(world: World, node: Node): void {
  if (world.revoked.size === 0 || !isInRotation(world, node)) return;
  const { jwks, hints } = node.views[0]!.rows.roles;
  for (const [kid, at] of world.revoked) {
    const isLate = world.now > at + world.policy.propagation * 1000;
    if (isLate && (jwks.includes(kid) || hints.includes(kid))) {
      violated(world, 'K8', `${node.name} still accepts ${kid}, revoked ${(world.now - at) / 1000} s ago`);
    }
  }
}

function receive(world: World, node: Node): void {
  const { askedAt, rows } = node.reading!;
  delete node.reading;
  if (node.running && node.connected) take(world, node, rows, askedAt);
}

function isPollTime(node: Node, at: number): boolean {
  return pollTime(node, at) === at;
}

/** The first poll not before `at`. */
function pollTime({ phase, pollEvery }: Node, at: number): number {
  return START + phase + Math.ceil((at - START - phase) / pollEvery) * pollEvery;
}

/** K10: whatever happened, once everything runs again the scheduler goes on alone. */
export function settle(world: World): void {
  const { policy } = world;
  for (const node of world.nodes) {
    node.connected = true;
    delete node.crashAt;
    delete node.reading;
    node.commitDelay = 0;
  }
  for (const node of world.nodes) start(world, node);
  const kidsBefore = new Map(world.lastActive);
  passUntil(world, world.now + policy.propagation * 1000);
  checkComplete(world);
  passUntil(world, world.now + (policy.rotationPeriod + policy.propagation) * 1000 + 2 * world.warmUp);
  checkComplete(world);
  for (const [algorithm, kid] of kidsBefore) {
    if (world.lastActive.get(algorithm) === kid) violated(world, 'K10', `${kid} signs for ever, nothing replaces it`);
  }
}

function checkComplete(world: World): void {
  const { database, algorithms, policy, now } = world;
  for (const algorithm of algorithms) {
    for (const state of ['active', 'published']) {
      const isThere = database.keys.some((key) => key.algorithm === algorithm && key.state === state);
      if (!isThere) violated(world, 'K10', `no key of ${algorithm} is ${state}, and nobody makes one`);
    }
  }
  const slowest = Math.max(...world.nodes.map(({ pollEvery }) => pollEvery));
  for (const { kid, state, held, retiredAt, hasPrivateHalf, tokenLifetime, archivedAt } of database.keys) {
    const since = (moment: number | undefined) => (now - slowest - (moment ?? Number.POSITIVE_INFINITY)) / 1000;
    const { propagation, clockSkew, hintRetention } = policy;
    if (held || (state !== 'retiring' && state !== 'archived')) continue;
    const isOverdue =
      (hasPrivateHalf && since(retiredAt) > propagation + clockSkew) ||
      (state === 'retiring' && since(retiredAt) > propagation + clockSkew + tokenLifetime) ||
      since(archivedAt) > hintRetention;
    if (isOverdue) violated(world, 'K10', `${kid} is still ${state}, and nobody cleans it up`);
  }
  if (isAnythingDue(world) && world.nodes.every((node) => !isPollTime(node, now))) {
    const overdue = now - world.logic.nextTransitionAt(database.keys, policy);
    if (overdue > slowest) violated(world, 'K10', `something is due since ${overdue / 1000} s, and nobody does it`);
  }
}
