import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { type Begun, begin, type FederatedService, leaveFor, redeem, signInWith } from '../support/flow-federation.ts';
import { introduceSomebody, type Stranger, tracesOf, useFederatedService } from '../support/flow-federation-people.ts';

let service: FederatedService;
useFederatedService((started) => {
  service = started;
});

let person: Stranger;
beforeEach(() => {
  person = introduceSomebody(service);
});

/** Somebody who said yes there and whose browser has not come back yet. */
async function away(begun?: Begun): Promise<Begun & { back: URL }> {
  const left = begun ?? (await begin(service));
  const there = await leaveFor('google', left);
  return { ...left, back: await service.upstream.google.decide(there.href, { as: person.subject }) };
}

/** Everything that a response that does not fit must leave as it was. */
const traces = () => tracesOf(service);

function changed(address: URL, change: (query: URLSearchParams) => void): string {
  const copy = new URL(address);
  change(copy.searchParams);
  return copy.href;
}

describe('a response that does not fit ends at a page of its own, and changes nothing', () => {
  const cases: [string, (away: Begun & { back: URL }) => string, number, RegExp][] = [
    [
      "S-096 at the other provider's address",
      ({ back }) => back.href.replace('/callback/google', '/callback/discord'),
      400,
      /\/discord\/foreign$/,
    ],
    [
      'S-096 of an issuer that is not the one of this address',
      ({ back }) => changed(back, (query) => query.set('iss', 'https://discord.com')),
      400,
      /\/google\/wrong-issuer$/,
    ],
    [
      'S-095 with a forged state',
      ({ back }) => changed(back, (query) => query.set('state', 'x'.repeat(43))),
      400,
      /unknown$/,
    ],
    ['S-095 without a state', ({ back }) => changed(back, (query) => query.delete('state')), 400, /unknown$/],
    ['with a state twice', ({ back }) => `${back.href}&state=x`, 400, /\/invalid$/],
    ['with a code twice', ({ back }) => `${back.href}&code=x`, 400, /\/invalid$/],
    ['without a code', ({ back }) => changed(back, (query) => query.delete('code')), 400, /\/invalid$/],
    [
      'with a code that the provider never gave',
      ({ back }) => changed(back, (query) => query.set('code', 'x')),
      503,
      /\/refused$/,
    ],
    [
      'with an error and its state',
      ({ back }) =>
        changed(back, (query) => {
          query.delete('code');
          query.set('error', 'server_error');
        }),
      503,
      /\/google\/unavailable$/,
    ],
    [
      'S-106 with an error, without a state',
      ({ back }) => `${back.origin}${back.pathname}?error=server_error&error_description=<script>alert(1)</script>`,
      400,
      /\/callback\/google\/unfinished$/,
    ],
  ];

  test.each(cases)('%s', async (_, addressOf, status, path) => {
    const left = await away();
    const before = await traces();
    const page = await left.browser.open(addressOf(left));
    expect([page.response?.status, page.url.pathname]).toEqual([status, expect.stringMatching(path)]);
    expect(page.url.search).toBe('');
    expect(page.text).not.toContain('<script>alert');
    expect(page.text).not.toContain(left.back.searchParams.get('code'));
    expect(await traces()).toEqual(before);
  });

  test('at the address of a provider that there is not', async () => {
    const left = await away();
    const page = await left.browser.open(left.back.href.replace('/google', '/myspace'));
    expect(page.response?.status).toBe(404);
  });

  test('S-095 in another browser', async () => {
    const left = await away();
    const before = await traces();
    const other = service.newBrowser();
    const page = await other.open(left.back.href);
    expect([page.response?.status, page.url.pathname]).toEqual([400, '/callback/google/other-browser']);
    // Nor in one that has an interaction of its own.
    const busy = await begin(service);
    expect((await busy.browser.open(left.back.href)).url.pathname).toBe('/callback/google/other-browser');
    expect(await traces()).toEqual(before);
    // It was not used up: who left comes back.
    const end = await left.browser.open(left.back.href);
    expect((await redeem(service, left, end)).claims()).toMatchObject({ amr: ['fed'] });
  });

  test('S-095 in another interaction of the same browser', async () => {
    const left = await away();
    const second = await begin(service, {}, left.browser);
    const before = await traces();
    const [, uid] = /interaction\/([\w-]+)/.exec(second.visit.url.pathname)!;
    const page = await left.browser.open(`/interaction/${uid}/upstream/google${left.back.search}`);
    expect([page.response?.status, page.url.pathname]).toEqual([400, expect.stringMatching(/\/google\/foreign$/)]);
    expect(await traces()).toEqual(before);
  });

  test('S-095 ten minutes later', async () => {
    const left = await away();
    await service.services.database.prisma.upstreamAttempt.updateMany({
      data: { expiresAt: new Date(Date.now() - 1) },
    });
    const before = await traces();
    const page = await left.browser.open(left.back.href);
    expect([page.response?.status, page.url.pathname]).toEqual([400, expect.stringMatching(/\/google\/expired$/)]);
    expect(await traces()).toEqual(before);
  });
});

describe('S-095 a state is worth one sign-in', () => {
  test('a replay, by its own browser too, gets nobody in a second time', async () => {
    const left = await away();
    await redeem(service, left, await left.browser.open(left.back.href));
    const before = await traces();
    for (const [browser, problem] of [
      [left.browser, 'spent'],
      [service.newBrowser(), 'other-browser'],
    ] as const) {
      const page = await browser.open(left.back.href);
      expect([page.response?.status, page.url.pathname]).toEqual([400, `/callback/google/${problem}`]);
      expect(page.url.search).toBe('');
      // The sign-in is over: there is no page of it to go back to.
      expect(page.text).not.toContain('/interaction/');
    }
    expect(await traces()).toEqual(before);
  });

  test('S-154 nobody is told of a state at the address of another interaction, or of another provider', async () => {
    const left = await away();
    const end = await left.browser.open(left.back.href);
    const [, uid] = /interaction\/([\w-]+)/.exec(left.visit.url.pathname)!;
    await redeem(service, left, end);
    for (const path of [`/interaction/${'x'.repeat(43)}/upstream/google`, `/interaction/${uid}/upstream/discord`]) {
      const page = await left.browser.open(`${path}${left.back.search}`);
      expect([page.response?.status, page.url.pathname]).toEqual([
        400,
        `/callback/${path.split('/').at(-1)}/other-browser`,
      ]);
    }
  });

  test('S-095 once the sign-in is gone, a late answer is told that it is late', async () => {
    const left = await away();
    const there = await leaveFor('google', left);
    const { prisma } = service.services.database;
    // By the second journey of the same sign-in, which the first one outlives.
    const second = await service.upstream.google.decide(there.href, { as: person.subject });
    await redeem(service, left, await left.browser.open(second.href));
    await prisma.upstreamAttempt.updateMany({
      where: { consumedAt: null },
      data: { expiresAt: new Date(Date.now() - 1) },
    });
    const page = await left.browser.open(left.back.href);
    expect([page.response?.status, page.url.pathname]).toEqual([400, '/callback/google/expired']);
    expect(page.text).not.toContain('/interaction/');
  });

  test('a person who came back with a wrong code cannot try another', async () => {
    const left = await away();
    await left.browser.open(changed(left.back, (query) => query.set('code', 'x')));
    const page = await left.browser.open(left.back.href);
    expect([page.response?.status, page.url.pathname]).toEqual([400, expect.stringMatching(/\/google\/spent$/)]);
  });

  test('in eight requests at once on two nodes it makes one account and one session', async () => {
    const node = await service.startNode();
    const origins = [service.issuer, node.origin];
    const host = new URL(service.issuer).host;
    for (let round = 0; round < 3; round++) {
      person = { ...person, subject: `${person.subject}-${round}`, email: `${randomUUID()}@example.com` };
      service.introduce(person);
      const left = await away();
      const before = await traces();
      const asked = service.upstream.google.requests.filter(({ url }) => url.endsWith('/token')).length;
      const [, uid] = /interaction\/([\w-]+)/.exec(left.visit.url.pathname)!;
      const path = `/interaction/${uid}/upstream/google${left.back.search}`;
      const cookie = left.browser.cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, index) => ask(origins[index % 2]!, host, path, cookie)),
      );
      const ends = answers.map(({ location }) => new URL(location, service.issuer).pathname);
      const won = ends.filter((path) => path.startsWith('/authorize/'));
      expect([won.length, ends.length]).toEqual([1, 8]);
      for (const end of ends) expect(end).toMatch(/^\/authorize\/|\/google\/spent$/);
      expect(service.upstream.google.requests.filter(({ url }) => url.endsWith('/token')).length).toBe(asked + 1);
      const end = await left.browser.open(won[0]!);
      expect((await redeem(service, left, end)).claims()).toMatchObject({ amr: ['fed'] });
      const { users, identities, sessions } = before;
      expect(await traces()).toEqual({ users: users + 1, identities: identities + 1, sessions: sessions + 1 });
    }
  });

  test('S-105 two first sign-ins of one person at once, in two browsers on two nodes, make one account', async () => {
    const node = await service.startNode();
    const origins = [service.issuer, node.origin];
    const host = new URL(service.issuer).host;
    const before = await traces();
    const journeys = await Promise.all([away(), away(), away(), away()]);
    const answers = await Promise.all(
      journeys.map(({ browser, visit, back }, index) => {
        const [, uid] = /interaction\/([\w-]+)/.exec(visit.url.pathname)!;
        const cookie = browser.cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
        return ask(origins[index % 2]!, host, `/interaction/${uid}/upstream/google${back.search}`, cookie);
      }),
    );
    const ends = await Promise.all(journeys.map(({ browser }, index) => browser.open(answers[index]!.location)));
    const subjects = await Promise.all(
      journeys.map(async (journey, index) => (await redeem(service, journey, ends[index]!)).claims()!.sub),
    );
    expect(new Set(subjects).size).toBe(1);
    const { users, identities, sessions } = before;
    expect(await traces()).toEqual({ users: users + 1, identities: identities + 1, sessions: sessions + 4 });
  });
});

test('S-093 another person at the provider is another person here, whoever used the browser before', async () => {
  const { browser, tokens } = await signInWith(service, 'google', { as: person.subject });
  const other = { subject: 'other-person', email: `${randomUUID()}@example.com`, verified: true };
  service.introduce(other);
  const again = await begin(service, { prompt: 'login' }, browser);
  const there = await leaveFor('google', again);
  const page = await browser.open((await service.upstream.google.decide(there.href, { as: other.subject })).href);
  // The page asked the person who is signed in: somebody else is told so, and nothing is made for them.
  expect([page.response?.status, page.url.pathname]).toEqual([403, expect.stringMatching(/\/google\/other-account$/)]);
  expect(await service.services.accounts.findByLogin(other.email)).toBeUndefined();
  expect(tokens.claims()!.sub).toEqual(expect.any(String));
});

/** One request to a node, under the address that both share. */
async function ask(origin: string, host: string, path: string, cookie: string): Promise<{ location: string }> {
  return new Promise((resolve, reject) => {
    request(`${origin}${path}`, { headers: { host, cookie, accept: 'text/html' } }, (response) => {
      response.resume();
      resolve({ location: response.headers.location ?? `/${response.statusCode}` });
    })
      .on('error', reject)
      .end();
  });
}
