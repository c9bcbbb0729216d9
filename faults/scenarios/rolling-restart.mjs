import { freePort } from '../../scripts/free-port.mjs';
import { findNginx, startNginx } from '../nginx.mjs';
import { startSteadyLoad } from '../steady-load.mjs';

const RATE = 100;

/** Two nodes behind nginx are restarted one after the other, again and again; nobody notices. */
export const rollingRestart = {
  name: 'rolling-restart',
  title: `rolling restarts of two nodes behind nginx under ${RATE} requests a second, none of which fails`,
  seconds: 30,
  async run(open, { seconds, short }) {
    const nginx = findNginx();
    if (!nginx) return { skipped: 'nginx is not installed' };
    const world = await open({
      people: 12,
      issuerPort: await freePort(),
      // Longer than the balancer keeps idle connections: those in use get one last answer, the others are closed by it and not by us.
      environment: { DAEMUN_SHUTDOWN_DELAY: '2' },
    });
    if (world.embedded) return { skipped: 'the embedded database has one node' };
    const { nodes, history } = world;
    await world.startAll();
    const front = await startNginx(nginx, world);
    world.closing.push(front.stop);
    const entrance = { name: 'nginx', port: world.issuerPort };
    const load = await startSteadyLoad(world, { to: entrance, rate: short ? 50 : RATE });
    const until = Date.now() + seconds * 1_000;
    let restarts = 0;
    do {
      for (const node of nodes) {
        history.note = `restart ${restarts + 1} (${node.name})`;
        await pause(500);
        const { code } = await node.stop();
        if (code !== 0) world.violation(`${node.name} ended with ${code}: ${node.said().slice(-500)}`);
        await node.start();
        restarts += 1;
      }
    } while (Date.now() < until);
    await pause(500);
    const { sent, rate } = await load.stop();
    return { world, seen: `${restarts} restarts, ${sent} requests, ${rate.toFixed(0)} a second` };
  },
};

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
