import { crash, makeKey, notify, poll, start, transact } from './nodes.ts';
import { fetchKeys } from './relying-parties.ts';
import { look, passUntil } from './time.ts';
import { type CrashPoint, type Node, tell, type World } from './world.ts';

/** What happens to the nodes and what operators do. Everything else the nodes do by themselves as time passes. */
export type Action =
  | { do: 'wait'; ms: number }
  /** Until something becomes due, and so much longer (or less long). */
  | { do: 'wait for the next change'; ms: number }
  | { do: 'poll' | 'partition' | 'reconnect' | 'crash' | 'start' | 'deafen'; node: number }
  | { do: 'answer slowly'; node: number; ms: number }
  | { do: 'commit slowly'; node: number; ms: number }
  | { do: 'crash in the next transaction'; node: number; at: CrashPoint }
  | { do: 'configure'; node: number; tokenLifetime: number }
  | { do: 'rotate'; node: number; algorithm: number; emergency: boolean; callers: number; notified: boolean }
  /** Somebody looks, and orders later, when it may be another key that signs. */
  | { do: 'look up'; algorithm: number }
  | { do: 'rotate what was looked up'; node: number; algorithm: number; emergency: boolean }
  | { do: 'revoke'; node: number; key: number; notified: boolean }
  | { do: 'hold' | 'release'; node: number; key: number }
  | { do: 'fetch'; party: number; node: number };

export function act(world: World, action: Action): void {
  const node = 'node' in action ? world.nodes[action.node % world.nodes.length]! : world.nodes[0]!;
  switch (action.do) {
    case 'wait':
      passUntil(world, world.now + action.ms);
      break;
    case 'wait for the next change': {
      const due = world.logic.nextTransitionAt(world.database.keys, world.policy);
      if (Number.isFinite(due)) passUntil(world, Math.max(world.now, due + action.ms));
      break;
    }
    case 'poll':
      poll(world, node);
      break;
    case 'partition':
      tell(world, `${node.name} loses the database`);
      node.connected = false;
      delete node.reading;
      break;
    case 'reconnect':
      node.connected = true;
      poll(world, node);
      break;
    case 'crash':
      if (node.running) crash(world, node, 'without a reason');
      break;
    case 'start':
      start(world, node);
      break;
    case 'deafen':
      node.deaf = !node.deaf;
      break;
    case 'answer slowly':
      if (!node.running || !node.connected || node.reading) break;
      tell(world, `${node.name} asks, and will have the answer in ${action.ms / 1000} s`);
      node.reading = { askedAt: world.now, arrivesAt: world.now + action.ms, rows: world.database };
      break;
    case 'commit slowly':
      node.commitDelay = action.ms;
      break;
    case 'crash in the next transaction':
      node.crashAt = action.at;
      break;
    case 'configure':
      // A process keeps what it began with.
      if (node.running) crash(world, node, 'to be configured anew');
      node.tokenLifetime = action.tokenLifetime;
      start(world, node);
      break;
    case 'rotate':
      rotate(world, node, action.algorithm, action);
      if (action.notified) notify(world);
      break;
    case 'look up': {
      const algorithm = world.algorithms[action.algorithm % world.algorithms.length]!;
      const kid = world.database.roles.signers.get(algorithm);
      if (kid) world.lookedUp.set(algorithm, kid);
      break;
    }
    case 'rotate what was looked up':
      rotate(world, node, action.algorithm, { emergency: action.emergency, callers: 1, isLate: true });
      break;
    case 'revoke':
      revoke(world, node, action.key);
      if (action.notified) notify(world);
      break;
    case 'hold':
    case 'release':
      hold(world, node, action.key, action.do === 'hold');
      break;
    case 'fetch': {
      const party = world.relyingParties[action.party % Math.max(1, world.relyingParties.length)];
      if (party) fetchKeys(world, party, action.node);
    }
  }
  look(world);
}

/** All callers saw the same key signing. One whose order got no answer gives it again, at any node. */
function rotate(
  world: World,
  first: Node,
  which: number,
  { emergency, callers, isLate }: { emergency: boolean; callers: number; isLate?: boolean },
): void {
  const algorithm = world.algorithms[which % world.algorithms.length]!;
  const stale = world.database.keys;
  const expectedActive = isLate ? world.lookedUp.get(algorithm) : world.database.roles.signers.get(algorithm);
  if (!expectedActive) return;
  for (let caller = 0; caller < callers; caller++) {
    for (const node of [first, ...world.nodes]) {
      const made = [makeKey(world, node, algorithm)];
      const isDone = transact(
        world,
        node,
        `rotates ${expectedActive}${emergency ? ' in an emergency' : ''}`,
        (keys, now) => {
          const outcome = world.logic.rotate(keys, now, world.policy, { algorithm, expectedActive, emergency, made });
          return outcome.kind === 'changed' ? outcome.change : undefined;
        },
        { expectedActive, stale },
      );
      if (isDone) break;
    }
  }
}

function revoke(world: World, node: Node, which: number): void {
  const key = world.database.keys[which % Math.max(1, world.database.keys.length)];
  if (!key) return;
  const made = [makeKey(world, node, key.algorithm)];
  transact(world, node, `revokes ${key.kid}`, (keys, now) => {
    const outcome = world.logic.revoke(keys, now, world.policy, { kid: key.kid, reason: 'test', made });
    return outcome.kind === 'changed' ? outcome.change : undefined;
  });
}

function hold(world: World, node: Node, which: number, held: boolean): void {
  const key = world.database.keys[which % Math.max(1, world.database.keys.length)];
  if (!key || key.held === held) return;
  transact(world, node, held ? `holds ${key.kid}` : `releases ${key.kid}`, (keys) => ({
    keys: world.logic.hold(keys, key.kid, held),
    events: [],
  }));
}
