import { freePort } from '../../scripts/free-port.mjs';
import { preload } from '../node-process.mjs';
import { findRedis, startRedis } from '../redis.mjs';
import { signIn } from '../visitor.mjs';

const REGULARS = 20;
/** Who signs in for the first time since the installation changed its hash, once each; who has a link, once each. */
const ONCE = 70;

const signingIn = (person) => ({
  async prepare(world) {
    const who = person(world);
    if (!who) return undefined;
    const visitor = world.visitor(who, world.clients.own);
    await visitor.open();
    await visitor.look();
    return visitor;
  },
  async act(visitor, to) {
    const entered = await visitor.submitPassword({ to });
    return entered.outcome === 'acknowledged' ? visitor.resume({ to }) : entered;
  },
  async goOn(visitor) {
    if (visitor.state.resume) {
      if ((await eventually(() => visitor.resume())).arrived) return undefined;
    } else if ((await eventually(() => visitor.submitPassword())).outcome === 'acknowledged') {
      if ((await eventually(() => visitor.resume())).arrived) return undefined;
    }
    return arrives(visitor);
  },
});

/**
 * What a node may be killed in the middle of. `prepare` brings a visitor there, `act` is what is interrupted (all of it to one node),
 * `goOn` is what the person or the application does then; it answers what is wrong, if anything.
 */
const STEPS = {
  'sign-in': signingIn((world) => world.nextPerson()),
  'sign-in with an outdated hash': signingIn((world) => world.outdated.pop()),
  'code exchange': {
    async prepare(world) {
      const visitor = world.visitor(world.nextPerson(), world.clients.own);
      await signIn(visitor);
      return visitor;
    },
    act: (visitor, to) => visitor.exchange({ to }),
    async goOn(visitor) {
      const again = await eventually(() => visitor.exchange());
      if (again.outcome === 'acknowledged') return undefined;
      if (again.outcome !== 'refused' || again.said !== 'invalid_grant') return describe('the code again', again);
      const problem = await arrives(visitor);
      if (problem) return problem;
      const next = await eventually(() => visitor.exchange());
      return next.outcome === 'acknowledged' ? undefined : describe('the next code', next);
    },
  },
  refresh: {
    async prepare(world) {
      const visitor = world.visitor(world.nextPerson(), world.clients.own);
      await signIn(visitor);
      await visitor.exchange();
      return visitor;
    },
    act: (visitor, to) => visitor.renew({ to }),
    async goOn(visitor) {
      const again = await eventually(() => visitor.renew());
      if (again.outcome !== 'acknowledged') return describe('the refresh token again', again);
      const next = await eventually(() => visitor.renew());
      return next.outcome === 'acknowledged' ? undefined : describe('the successor', next);
    },
  },
  consent: {
    async prepare(world) {
      const visitor = world.visitor(world.nextPerson(), world.clients.asking);
      await signIn(visitor);
      await visitor.open({ prompt: 'consent' });
      await visitor.look();
      visitor.state.resume = undefined;
      return visitor;
    },
    async act(visitor, to) {
      const allowed = await visitor.allow({ to });
      return allowed.outcome === 'acknowledged' ? visitor.resume({ to, afterSignIn: false }) : allowed;
    },
    async goOn(visitor) {
      if (!visitor.state.resume) await eventually(() => visitor.allow());
      if (visitor.state.resume) {
        const { arrived } = await eventually(() => visitor.resume({ afterSignIn: false }));
        if (arrived) return undefined;
      }
      return arrives(visitor);
    },
  },
  'sign-out': {
    async prepare(world) {
      const visitor = world.visitor(world.nextPerson(), world.clients.own);
      await signIn(visitor);
      await visitor.exchange();
      await visitor.askToLeave();
      return visitor;
    },
    act: (visitor, to) => visitor.leave({ to }),
    async goOn(visitor) {
      await eventually(() => visitor.leave());
      const silent = await eventually(() => visitor.open({ prompt: 'none' }));
      if (silent.outcome === 'refused' && silent.said === 'login_required') return undefined;
      await eventually(() => visitor.askToLeave());
      const left = await eventually(() => visitor.leave());
      if (left.outcome !== 'acknowledged') return describe('signing out again', left);
      const after = await eventually(() => visitor.open({ prompt: 'none' }));
      return after.said === 'login_required' ? undefined : describe('asking for the session', after);
    },
  },
  revocation: {
    async prepare(world) {
      const visitor = world.visitor(world.nextPerson(), world.clients.own);
      await signIn(visitor);
      await visitor.exchange();
      return visitor;
    },
    act: (visitor, to) => visitor.revoke({ to }),
    async goOn(visitor) {
      const again = await eventually(() => visitor.revoke());
      if (again.outcome !== 'acknowledged') return describe('the revocation again', again);
      const after = await eventually(() => visitor.renew());
      return after.outcome === 'refused' ? undefined : describe('the revoked token', after);
    },
  },
  'one-time link': {
    async prepare(world) {
      const guest = world.guests.pop();
      if (!guest) return undefined;
      const visitor = world.visitor(guest, world.clients.own);
      await visitor.openLink(guest.link);
      return visitor;
    },
    act: (visitor, to) => visitor.setPassword(visitor.person.link, visitor.person.password, { to }),
    async goOn(visitor) {
      await eventually(() => visitor.setPassword(visitor.person.link, visitor.person.password));
      return arrives(visitor);
    },
  },
};

/** Points that are counted in one run and not reached in the next belong to timers: they are left out of the count. */
export const killPoints = {
  name: 'kill-points',
  title: 'kill -9 at every await of sign-in, consent, code exchange, refresh, sign-out, revocation, one-time link',
  async run(open, { short, points: wanted = short ? 12 : undefined }) {
    const regulars = short ? 8 : REGULARS;
    const once = short ? 4 : ONCE;
    const redis = findRedis();
    const redisPort = await freePort();
    const world = await open({
      people: regulars + once,
      invited: once,
      nodeArguments: preload('kill'),
      environment: redis ? { REDIS_URL: `redis://127.0.0.1:${redisPort}` } : {},
      // Later than everybody's password.
      nodeEnvironment: { PASSWORD_HASH: 'argon2id' },
    });
    if (redis) world.closing.push((await startRedis(redis, world.folder, redisPort)).close);
    const { history, nodes, random } = world;
    world.outdated = world.people.splice(regulars);
    let turn = 0;
    world.nextPerson = () => {
      turn += 1;
      return world.people[turn % world.people.length];
    };
    await world.startAll();
    // After it their hashes are of the new kind.
    for (const person of world.people) await signIn(world.visitor(person, world.clients.own));
    const all = [];
    for (const [name, step] of Object.entries(STEPS)) {
      const labels = (await countPoints(world, step)) ?? [];
      for (const [index, label] of labels.entries()) all.push({ name, step, number: index + 1, label });
    }
    const chosen = wanted === undefined ? all : shuffled(all, random);
    const isOver = () => wanted !== undefined && reached >= wanted;
    let reached = 0;
    for (const [index, { name, step, number, label }] of chosen.entries()) {
      if (isOver()) break;
      const victim = nodes[index % nodes.length];
      history.note = `${name}, point ${number} (${label})`;
      const visitor = await step.prepare(world);
      if (!visitor) continue;
      await victim.ask({ arm: number });
      await step.act(visitor, victim);
      if (victim.isRunning()) await settle();
      if (victim.isRunning() && (await victim.ask({ disarm: true }))) continue;
      await victim.gone();
      reached += 1;
      const restarted = victim.start();
      if (nodes.length === 1) await restarted;
      const problem = await step.goOn(visitor);
      if (problem) world.violation(`cannot go on: ${problem}`);
      await restarted;
    }
    return {
      world,
      seen: `${reached} of ${all.length} points${redis ? '' : ', none at Redis, which is not installed'}`,
    };
  },
};

async function countPoints(world, step) {
  const [node] = world.nodes;
  const visitor = await step.prepare(world);
  if (!visitor) return undefined;
  await node.ask({ arm: 0 });
  const done = await step.act(visitor, node);
  await settle();
  const { labels } = await node.ask({ disarm: true });
  if (done.outcome !== 'acknowledged') throw new Error(`undisturbed it ended with ${describe(done.kind, done)}`);
  return labels;
}

/** What goes on after the answer, such as the audit queue, has points too. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 60));

async function arrives(visitor) {
  const arrived = await eventually(() => signIn(visitor));
  return arrived.arrived ? undefined : describe('a new sign-in', arrived);
}

/** Again while there is no clear answer: what the killed node held is let go of in a moment. */
async function eventually(attempt) {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const result = await attempt();
    if (['acknowledged', 'refused'].includes(result.outcome) || Date.now() > deadline) return result;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function describe(what, { outcome, status, said, error }) {
  return `${what}: ${outcome}${status ? ` ${status}` : ''} ${said ?? error ?? ''}`.trim();
}

function shuffled(list, random) {
  return list
    .map((one) => [random(), one])
    .sort(([a], [b]) => a - b)
    .map(([, one]) => one);
}
