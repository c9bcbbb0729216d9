import { signIn } from './visitor.mjs';

const DOCUMENTS = ['/.well-known/jwks.json', '/.well-known/openid-configuration'];

/**
 * So many requests a second, whatever becomes of those before: each that fails is a violation. `to` is one entrance, without it nodes
 * have their turn; `documents` is the share of requests that need neither database nor Redis; `observe` hears how long each took,
 * in milliseconds.
 */
export async function startSteadyLoad(world, { to, rate, documents = 0.3, observe = () => {} }) {
  const { people, clients, random } = world;
  const visitors = [];
  for (const person of people) {
    const visitor = world.visitor(person, clients.own);
    const arrived = await retried(() => signIn(visitor, { to }));
    if (!arrived.arrived) throw new Error(`signing in: ${arrived.outcome} ${arrived.said ?? arrived.error}`);
    await visitor.exchange({ to });
    visitors.push({ visitor, busy: false });
  }
  const underWay = new Set();
  let sent = 0;
  const began = performance.now();

  async function ask(act) {
    const before = performance.now();
    const { kind, outcome, status, error, said } = await act();
    observe(performance.now() - before);
    if (outcome !== 'acknowledged')
      world.violation(`${kind} failed: ${outcome} ${status ?? ''} ${error ?? said ?? ''}`);
  }

  async function askDocument(path) {
    const { status, error } = await world.ask(path, { to });
    return { kind: path, outcome: status === 200 ? 'acknowledged' : 'refused', status, error: error?.message };
  }

  async function one() {
    sent += 1;
    const place = visitors[sent % visitors.length];
    const { visitor } = place;
    const path = DOCUMENTS[sent % DOCUMENTS.length];
    if (random() < documents) return ask(() => askDocument(path));
    const dice = random();
    if (dice < 0.3) return ask(() => visitor.machineToken({ of: clients.machine, to }));
    if (dice < 0.6) return ask(() => visitor.userinfo({ to }));
    if (dice < 0.8 || place.busy) return ask(() => visitor.introspect(`access:${visitor.state.access}`, { to }));
    place.busy = true;
    await ask(() => visitor.renew({ to }));
    place.busy = false;
  }

  const timer = setInterval(() => {
    const due = ((performance.now() - began) * rate) / 1_000;
    // Late timers catch up; a machine that is too busy gets fewer, not a pile.
    while (sent < due && underWay.size < 64) {
      const request = one();
      underWay.add(request);
      request.finally(() => underWay.delete(request));
    }
  }, 1_000 / rate);
  return {
    async stop() {
      clearInterval(timer);
      const reached = sent / ((performance.now() - began) / 1_000);
      await Promise.all(underWay);
      return { sent, rate: reached };
    },
  };
}

/** A balancer may take a moment to come up. */
async function retried(attempt) {
  for (let tries = 0; ; tries++) {
    const result = await attempt();
    if (result.outcome !== 'not-sent' || tries === 50) return result;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
