import fc from 'fast-check';
import type { KeyPolicy } from '../../../src/signing-keys/timing.ts';
import { type Action, act } from './actions.ts';
import type { Logic } from './logic.ts';
import { start } from './nodes.ts';
import { look, settle } from './time.ts';
import { createWorld, type Setup, type World } from './world.ts';

export interface History {
  setup: Setup;
  actions: Action[];
}

/** Small numbers, in the proportions of the real ones: C is long, D and S are short. */
const BASE: KeyPolicy = {
  jwksMaxAge: 5,
  cacheSupport: 60,
  propagation: 4,
  clockSkew: 6,
  hintRetention: 90,
  rotationPeriod: 200,
};

/** Also a key set that we ask caches to keep for longer than C, tokens that outlive W, and times shorter than a second. */
const POLICIES: { policy: KeyPolicy; lifetimes: number[] }[] = [
  { policy: BASE, lifetimes: [10, 25, 50] },
  { policy: { ...BASE, jwksMaxAge: 80, cacheSupport: 20 }, lifetimes: [10, 60] },
  { policy: { ...BASE, rotationPeriod: 400, hintRetention: 300 }, lifetimes: [20, 150, 250] },
  { policy: { ...BASE, cacheSupport: 0.5, jwksMaxAge: 0.2, clockSkew: 0.4, rotationPeriod: 16 }, lifetimes: [2, 5] },
];

/** Runs a history on new nodes; then everything is repaired, and has to go on by itself. @throws Violation */
export function run(logic: Logic, { setup, actions }: History, onWorld?: (world: World) => void): void {
  const world = createWorld(logic, setup);
  onWorld?.(world);
  for (const node of world.nodes) start(world, node);
  look(world);
  for (const action of actions) act(world, action);
  settle(world);
}

const index = fc.nat({ max: 11 });
const moment = fc.constantFrom(-1, 0, 1, 100, 1000, 4000, 4001, 10_001);

function actionFor({ policy, lifetimes }: (typeof POLICIES)[number]): fc.Arbitrary<Action> {
  const warmUp = Math.max(policy.jwksMaxAge, policy.cacheSupport) + policy.propagation + policy.clockSkew;
  const durations = [0.001, 0.1, 1, policy.propagation, policy.propagation + 0.001, policy.clockSkew];
  const wait = fc.constantFrom(...durations, policy.cacheSupport, warmUp, warmUp + 3, policy.rotationPeriod / 2);
  const one = (weight: number, action: { [Name in string]: fc.Arbitrary<unknown> | string }) => ({
    weight,
    arbitrary: fc.record(
      Object.fromEntries(
        Object.entries(action).map(([name, value]) => [name, typeof value === 'string' ? fc.constant(value) : value]),
      ),
    ) as unknown as fc.Arbitrary<Action>,
  });
  const node = index;
  const notified = fc.boolean();
  const emergency = fc.boolean();
  const algorithm = fc.nat({ max: 1 });
  return fc.oneof(
    one(6, { do: 'wait', ms: wait.map((seconds) => Math.round(seconds * 1000)) }),
    one(6, { do: 'wait for the next change', ms: moment }),
    one(2, { do: 'poll', node }),
    one(2, { do: 'partition', node }),
    one(2, { do: 'reconnect', node }),
    one(1, { do: 'crash', node }),
    one(3, { do: 'start', node }),
    one(1, { do: 'deafen', node }),
    one(1, { do: 'answer slowly', node, ms: fc.constantFrom(1, 1000, 3000, 5000, 9000) }),
    one(1, { do: 'commit slowly', node, ms: fc.constantFrom(0, 100, 800) }),
    one(3, { do: 'crash in the next transaction', node, at: fc.constantFrom('before', 'middle', 'after') }),
    one(2, { do: 'configure', node, tokenLifetime: fc.constantFrom(...lifetimes) }),
    one(4, { do: 'rotate', node, algorithm, emergency, callers: fc.integer({ min: 1, max: 3 }), notified }),
    one(1, { do: 'look up', algorithm }),
    one(1, { do: 'rotate what was looked up', node, algorithm, emergency }),
    one(2, { do: 'revoke', node, key: index, notified }),
    one(1, { do: 'hold', node, key: index }),
    one(1, { do: 'release', node, key: index }),
    one(1, { do: 'fetch', party: fc.nat({ max: 3 }), node }),
  );
}

function setupFor({ policy, lifetimes }: (typeof POLICIES)[number]): fc.Arbitrary<Setup> {
  const half = Math.round(policy.clockSkew * 500);
  const clockError = fc.constantFrom(-half, 0, half);
  const pollEvery = Math.round(policy.propagation * 1000);
  return fc.record({
    policy: fc.constant(policy),
    algorithms: fc.constantFrom<Setup['algorithms'][]>(['ES256'], ['RS256', 'ES256']),
    nodes: fc.array(
      fc.record({
        tokenLifetime: fc.constantFrom(...lifetimes),
        pollEvery: fc.constantFrom(...[4, 3, 2].map((times) => Math.floor(pollEvery / times))),
        phase: fc.constantFrom(0, 7, 113, 499),
        clockError,
      }),
      { minLength: 1, maxLength: 3 },
    ),
    relyingParties: fc.array(
      fc.record({
        kind: fc.constantFrom('max-age' as const, 'stubborn' as const, 'asking' as const),
        clockError,
        slowBy: fc.constantFrom(0, half * 2),
      }),
      { maxLength: 3 },
    ),
  });
}

export const histories: fc.Arbitrary<History> = fc.constantFrom(...POLICIES).chain((choice) =>
  fc.record({
    setup: setupFor(choice),
    actions: fc.array(actionFor(choice), { minLength: 1, maxLength: 40, size: 'max' }),
  }),
);
