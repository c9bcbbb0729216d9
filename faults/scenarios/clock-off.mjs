import { startLoad } from '../load.mjs';
import { preload } from '../node-process.mjs';
import { signIn } from '../visitor.mjs';

const FIVE_MINUTES = 300_000;

/** One node's clock is five minutes fast, then five minutes slow. What one node hands out counts at the other, once. */
export const clockOff = {
  name: 'clock-off',
  title: "a node's clock is off by five minutes, either way",
  seconds: 20,
  async run(open, { seconds }) {
    const world = await open({ people: 24, nodeArguments: preload('clock') });
    if (world.embedded) return { skipped: 'the embedded database has one node, and so one clock' };
    const { nodes, history } = world;
    const [right, wrong] = nodes;
    await right.start();
    for (const [name, off] of [
      ['five minutes fast', FIVE_MINUTES],
      ['five minutes slow', -FIVE_MINUTES],
    ]) {
      history.note = name;
      await wrong.start({ CLOCK_OFF: String(off) });
      for (const [from, to] of [
        [right, wrong],
        [wrong, right],
      ]) {
        const problem = await handOver(world, from, to);
        if (problem)
          world.violation(`from ${from === wrong ? 'the wrong' : 'the right'} clock to the other: ${problem}`);
      }
      const load = startLoad(world, { actors: 3 });
      await new Promise((resolve) => setTimeout(resolve, (seconds / 2) * 1_000));
      await load.stop();
      await wrong.stop();
    }
    return { world, seen: 'fast and slow' };
  },
};

/** A sign-in at one node, everything else at the other. */
async function handOver(world, from, to) {
  const visitor = world.visitor(world.people[0], world.clients.own);
  const steps = [
    () => signIn(visitor, { to: from }),
    () => visitor.exchange({ to }),
    () => visitor.userinfo({ to: from }),
    () => visitor.renew({ to: from }),
    () => visitor.introspect(`access:${visitor.state.access}`, { to }),
    () => visitor.renew({ to }),
    () => visitor.open({ to, prompt: 'none' }),
    () => visitor.exchange({ to: from }),
  ];
  for (const step of steps) {
    const { kind, outcome, status, said, error } = await step();
    if (outcome !== 'acknowledged') return `${kind}: ${outcome} ${status ?? ''} ${said ?? error ?? ''}`;
  }
  return undefined;
}
