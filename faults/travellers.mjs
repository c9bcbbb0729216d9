import { goOnSigningIn, signIn } from './visitor.mjs';

/** Milliseconds after which nothing is expected of a code any more. */
const CODE_AGE = 40_000;

/**
 * People who begin something at one node and go on at another. Answers what they began, and for each how to go on at `to`: a list of
 * requests, each of which has to be acknowledged.
 */
export async function setOut(world, from) {
  const began = performance.now();
  const [person] = world.people;
  const { asking, own } = world.clients;
  const begun = [];

  async function begin(what, client, start, goOn) {
    const visitor = world.visitor(person, client);
    const last = await start(visitor);
    refuse(world, `${what} at ${from.name}`, last);
    begun.push({ what, goOn: (to) => goOn(visitor, to, last) });
  }

  const at = { to: from };
  await begin(
    'a session and a refresh token',
    own,
    async (visitor) => {
      await signIn(visitor, at);
      return visitor.exchange(at);
    },
    async (visitor, to) => [
      await visitor.introspect(`access:${visitor.state.access}`, { to }),
      await visitor.userinfo({ to }),
      await visitor.renew({ to }),
      await visitor.renew({ to }),
      await visitor.open({ to, prompt: 'none' }),
      await visitor.exchange({ to }),
      await visitor.askToLeave({ to }),
      await visitor.leave({ to }),
    ],
  );
  await begin(
    'a sign-in before the password',
    own,
    async (visitor) => {
      await visitor.open(at);
      return visitor.look(at);
    },
    async (visitor, to, last) => [await goOnSigningIn(visitor, last, { to }), await visitor.exchange({ to })],
  );
  await begin(
    'a sign-in before the consent',
    asking,
    async (visitor) => {
      await visitor.open({ ...at, prompt: 'consent' });
      await visitor.look(at);
      await visitor.submitPassword(at);
      await visitor.resume(at);
      return visitor.look(at);
    },
    async (visitor, to, last) => [await goOnSigningIn(visitor, last, { to }), await visitor.exchange({ to })],
  );
  await begin(
    'a code',
    own,
    (visitor) => signIn(visitor, at),
    async (visitor, to) => (performance.now() - began < CODE_AGE ? [await visitor.exchange({ to })] : []),
  );
  return { from: from.name, begun };
}

/** All of them go on. What is not acknowledged is a violation. */
export async function arrive(world, { from, begun }, to) {
  for (const { what, goOn } of begun) {
    for (const step of await goOn(to)) refuse(world, `${what} begun at ${from} and gone on with at ${to.name}`, step);
  }
}

/** A sign-in, with consent, and what follows, each request at the other of two nodes. */
export async function alternate(world, first, second) {
  const visitor = world.visitor(world.people[1], world.clients.asking);
  let next = second;
  // Read once a request.
  const options = {
    get to() {
      next = next === first ? second : first;
      return next;
    },
  };
  const step = (one) => refuse(world, `in turn at ${first.name} and ${second.name}`, one);
  const begun = await visitor.open({ to: options.to, prompt: 'consent' });
  step(begun);
  step(await goOnSigningIn(visitor, begun, options));
  step(await visitor.exchange(options));
  for (let renewals = 0; renewals < 3; renewals++) {
    step(await visitor.userinfo(options));
    step(await visitor.renew(options));
  }
  step(await visitor.revoke(options));
}

function refuse(world, where, { kind, outcome, status, said, error }) {
  if (outcome !== 'acknowledged')
    world.violation(`${where}: ${kind} ${outcome} ${status ?? ''} ${said ?? error ?? ''}`);
}
