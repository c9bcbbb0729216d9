import { join } from 'node:path';
import { freePort } from '../../scripts/free-port.mjs';
import { createNode } from '../node-process.mjs';
import { seed } from '../people.mjs';
import { signIn } from '../visitor.mjs';

/** Two nodes boot at once on an empty database, and serve as one from the first request on. */
export const twoBoots = {
  name: 'two-boots',
  title: 'two nodes boot at once on an empty database',
  async run(open) {
    const world = await open({ people: 0 });
    if (world.embedded) return bootTwice(world);
    const { nodes, environment } = world;
    await world.startAll();
    const [first, second] = await Promise.all(nodes.map((to) => world.ask('/.well-known/jwks.json', { to })));
    if (first.text !== second.text) world.violation('the two nodes publish different keys');
    Object.assign(world, await seed(environment, 2));
    for (const [index, client] of [world.clients.own, world.clients.asking].entries()) {
      const visitor = world.visitor(world.people[index], client);
      // Requests go to the two nodes in turn.
      const arrived = await signIn(visitor);
      const taken = arrived.arrived ? await visitor.exchange() : arrived;
      const renewed = taken.outcome === 'acknowledged' ? await visitor.renew() : taken;
      if (renewed.outcome !== 'acknowledged')
        world.violation(`${renewed.kind}: ${renewed.outcome} ${renewed.said ?? ''}`);
    }
    return { world, seen: 'both came up' };
  },
};

/** Of two processes on one directory one serves, and the other says why it does not. */
async function bootTwice(world) {
  const [node] = world.nodes;
  const environment = { ...world.environment, PORT: String(await freePort()) };
  const other = createNode({ name: 'node 2', environment });
  const outcomes = await Promise.allSettled([node.start(), other.start()]);
  const refused = outcomes.filter(({ status }) => status === 'rejected');
  if (refused.length !== 1)
    world.violation(`${2 - refused.length} of two processes serve ${join(environment.DATA_DIR)}`);
  else if (!/in use|another process/i.test(refused[0].reason.message)) {
    world.violation(`the second process does not say why it ended: ${refused[0].reason.message}`);
  }
  await node.kill();
  await other.kill();
  await node.start();
  return { world, seen: 'one came up, the other was refused' };
}
