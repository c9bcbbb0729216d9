import { startCommands } from '../commands.mjs';
import { startLoad } from '../load.mjs';

/** A node is killed every few seconds under load, and started again. */
export const killNode = {
  name: 'kill-node',
  title: 'kill -9 of a node every few seconds',
  seconds: 60,
  async run(open, { seconds, short }) {
    const world = await open({ people: short ? 8 : 24 });
    const { nodes, history, random } = world;
    await world.startAll();
    const load = startLoad(world, { actors: short ? 2 : 4 });
    const commands = startCommands(world, { every: short ? 1_500 : 4_000 });
    const until = Date.now() + seconds * 1_000;
    let kills = 0;
    while (Date.now() < until) {
      await pause((short ? 400 : 1_000) + 2_000 * random());
      const victim = nodes[Math.floor(random() * nodes.length)];
      history.note = `kill ${kills + 1}`;
      kills += 1;
      await victim.kill();
      await pause(200 * random());
      await startAgain(victim);
    }
    await commands.stop();
    await load.stop();
    return { world, seen: `${kills} kills` };
  },
};

/** As a service manager does: a command may have the embedded directory for a moment while no service runs. */
async function startAgain(node) {
  const deadline = Date.now() + 30_000;
  for (;;) {
    try {
      return await node.start();
    } catch (error) {
      if (!/in use by process/.test(error.message) || Date.now() > deadline) throw error;
      await pause(200);
    }
  }
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
