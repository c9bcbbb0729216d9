import { signIn } from './visitor.mjs';

/**
 * A mixed load of `actors` people at once, each with their own pace, until `stop` is called: sign-ins, consents, code exchanges (some
 * of them twice at the same moment), refreshes (some repeated, some long spent), introspection, userinfo, client credentials,
 * revocations, sign-outs. Failures are part of it: whoever gets no clear answer tries again, then begins anew.
 */
export function startLoad(world, { actors = 4, pause = 20 } = {}) {
  const { random, people, clients } = world;
  let stopped = false;
  const rest = () => new Promise((resolve) => setTimeout(resolve, pause * (0.5 + random())));
  const clear = ({ outcome }) => outcome === 'acknowledged' || outcome === 'refused';

  /** Repeats what got no clear answer, a few times. */
  async function persist(attempt) {
    for (let tries = 0; ; tries++) {
      const result = await attempt();
      if (clear(result) || tries === 8 || stopped) return result;
      await new Promise((resolve) => setTimeout(resolve, 50 + 200 * random()));
    }
  }

  async function visit(person, client) {
    const visitor = world.visitor(person, client);
    const arrived = await signIn(visitor);
    if (!arrived.arrived) return;
    const { code } = visitor.state;
    // As a thief and the application would: at once, on any two nodes.
    const twice = random() < 0.1;
    const [first] = await Promise.all([
      twice ? visitor.exchange({ code }) : persist(() => visitor.exchange({ code })),
      twice && visitor.exchange({ code }),
    ]);
    if (first.outcome !== 'acknowledged' || twice) return;
    for (let renewals = 2 + Math.floor(random() * 5); renewals > 0 && !stopped; renewals--) {
      await rest();
      if (random() < 0.5) await visitor.userinfo();
      if (random() < 0.3) await visitor.introspect(`access:${visitor.state.access}`);
      const again = random() < 0.1 && visitor.state.refresh;
      const renewed = await persist(() => visitor.renew());
      if (renewed.outcome !== 'acknowledged') return;
      // The answer was lost, says the client.
      if (again) await visitor.renew({ refresh: again, keep: false });
    }
    if (random() < 0.15 && visitor.state.spent.length > 1) {
      await visitor.renew({ refresh: visitor.state.spent[0], keep: false });
      await visitor.userinfo();
      return;
    }
    if (random() < 0.3) {
      await persist(() => visitor.revoke());
      await visitor.introspect(`refresh:${visitor.state.refresh}`);
      await visitor.renew();
    } else if (random() < 0.6) {
      if ((await visitor.askToLeave()).outcome !== 'acknowledged') return;
      if ((await visitor.leave()).outcome !== 'acknowledged') return;
      await visitor.renew();
      await visitor.open({ prompt: 'none' });
    }
  }

  async function act(actor) {
    for (let round = 0; !stopped; round++) {
      const person = people[(actor + actors * round) % people.length];
      const client = random() < 0.5 ? clients.asking : clients.own;
      await visit(person, client);
      await persist(() => world.visitor(person, client).machineToken({ of: clients.machine }));
      await rest();
    }
  }

  const acting = Array.from({ length: actors }, (_, actor) => act(actor));
  return {
    async stop() {
      stopped = true;
      await Promise.all(acting);
    },
  };
}
