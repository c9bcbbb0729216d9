import { freePort } from '../../scripts/free-port.mjs';
import { startLoad } from '../load.mjs';
import { findRedis, startRedis } from '../redis.mjs';
import { signIn } from '../visitor.mjs';

/** Redis is flushed, killed, hung and started anew: nobody is signed out and nothing is refused. */
export const redisOutages = {
  name: 'redis-outages',
  title: 'Redis flushed every second, killed, hung',
  seconds: 24,
  async run(open, { seconds }) {
    const binary = findRedis();
    if (!binary) return { skipped: 'Redis is not installed' };
    const port = await freePort();
    const world = await open({ people: 24, environment: { REDIS_URL: `redis://127.0.0.1:${port}` } });
    const redis = await startRedis(binary, world.folder, port);
    world.closing.push(redis.close);
    await world.startAll();
    const { history, people, clients } = world;
    // Stays signed in through it all.
    const witness = world.visitor(people[0], clients.own);
    await signIn(witness);
    await witness.exchange();
    const bystanders = { ...world, people: people.slice(1) };
    const load = startLoad(bystanders, { actors: 3 });
    const faults = {
      'flushed every second': { begin: redis.flush, again: redis.flush, end: () => {} },
      killed: { begin: redis.kill, end: redis.start },
      hung: { begin: redis.hang, end: redis.goOn },
    };
    for (const [name, { begin, again, end }] of Object.entries(faults)) {
      history.note = name;
      await begin();
      const until = Date.now() + (seconds * 1_000) / 3;
      do {
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        await again?.();
        for (const step of [() => witness.open({ prompt: 'none' }), () => witness.renew(), () => witness.userinfo()]) {
          const { kind, outcome, status, said, error } = await step();
          if (outcome !== 'acknowledged') {
            world.violation(`${kind} of somebody who stays: ${outcome} ${status ?? ''} ${said ?? error ?? ''}`);
          }
        }
      } while (Date.now() < until);
      await end();
    }
    await load.stop();
    const failed = history.operations.filter(({ outcome }) => outcome === 'unknown' || outcome === 'limited');
    for (const { kind, status, error, note } of failed) {
      world.violations.push(`${kind} failed though only Redis was away: ${status ?? ''} ${error ?? ''} [${note}]`);
    }
    return { world, seen: Object.keys(faults).join(', ') };
  },
};
