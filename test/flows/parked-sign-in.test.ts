import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createBrowser } from '../support/flow-browser.ts';
import { authorizationRequest, basic, connect, obtainCode, post } from '../support/flow-client.ts';
import { throughProxy } from '../support/flow-https.ts';
import { CALLBACK, type Flow } from '../support/flow-server.ts';
import { startTwoNodes, type TwoNodes } from '../support/flow-two-nodes.ts';

let nodes: TwoNodes;
let database: TwoNodes['database'];
let one: Flow;
let two: Flow;
let client: { id: string; secret: string };
beforeAll(async () => {
  nodes = await startTwoNodes();
  ({ database, one, two } = nodes);
  client = await one.register({ metadata: { grant_types: ['authorization_code', 'refresh_token'] } });
});
afterAll(() => nodes?.close());

/** A browser whose person has answered the page, and has not yet followed where the answer leads. */
async function parked(accountId: string, browser = createBrowser(one.origin)) {
  const { url, verifier } = await authorizationRequest(await connect(one, client), { prompt: 'login' });
  const page = await browser.open(url.href);
  const submit = (account = accountId) =>
    browser.request(`${page.url.pathname}/login`, { method: 'POST', body: new URLSearchParams({ account }) });
  return { browser, page, verifier, submit };
}

async function follow(browser: ReturnType<typeof createBrowser>, answer: Response): Promise<string[]> {
  expect(answer.status).toBe(303);
  const visit = await browser.open(answer.headers.get('location')!);
  return [visit.response?.status.toString() ?? 'elsewhere', visit.url.searchParams.has('code') ? 'code' : 'no code'];
}

describe('S-158 a sign-in that waits to be continued', () => {
  test('gives a code', async () => {
    const person = await one.people.create();
    const { browser, submit } = await parked(person.id);
    expect(await follow(browser, await submit())).toEqual(['elsewhere', 'code']);
  });

  test('ends with the access of the account', async () => {
    const person = await one.people.create();
    const { browser, submit } = await parked(person.id);
    const answer = await submit();
    expect(await two.endAccess(person.id)).toEqual({ sessions: [] });
    expect(await follow(browser, answer)).toEqual(['400', 'no code']);
  });

  test('is worth nothing even with a node that remembers the person as they were', async () => {
    const person = await one.people.create();
    const { browser, verifier, submit } = await parked(person.id);
    const answer = await submit();
    // Nothing but the number that everything counts under.
    await database.pool.query('UPDATE users SET access_generation = access_generation + 1 WHERE id = $1', [person.id]);
    const { url } = await browser.open(answer.headers.get('location')!);
    const redeemed = await post(
      `${one.issuer}/token`,
      {
        grant_type: 'authorization_code',
        code: url.searchParams.get('code') ?? 'none',
        redirect_uri: CALLBACK,
        code_verifier: verifier,
      },
      basic(client),
    );
    expect([redeemed.status, redeemed.json]).toMatchObject([400, { error: 'invalid_grant' }]);
    const silent = await authorizationRequest(await connect(one, client), { prompt: 'none' });
    expect((await browser.open(silent.url.href)).url.searchParams.get('error')).toBe('login_required');
  });

  test('of somebody signed in ends too, and cannot be answered again', async () => {
    const person = await one.people.create();
    const { browser } = await obtainCode(one, client, person.id);
    const { submit } = await parked(person.id, browser);
    const answer = await submit();
    expect((await two.endAccess(person.id)).sessions).toHaveLength(1);
    expect((await submit()).status).toBe(400);
    expect(await follow(browser, answer)).toEqual(['400', 'no code']);
  });

  test('ends only with its own account, and a page that nobody answered goes on', async () => {
    const [person, other] = [await one.people.create(), await one.people.create()];
    const [theirs, unanswered] = [await parked(other.id), await parked(person.id)];
    const answer = await theirs.submit();
    await two.endAccess(person.id);
    expect(await follow(theirs.browser, answer)).toEqual(['elsewhere', 'code']);
    expect(await follow(unanswered.browser, await unanswered.submit())).toEqual(['elsewhere', 'code']);
  });
});

test('S-143 a page of a sign-in that another node has brought to its end leads to nothing', async () => {
  const person = await one.people.create();
  const { browser, page, submit } = await parked(person.id);
  const cookie = browser.cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
  const answer = await submit();
  const location = new URL(answer.headers.get('location')!, one.issuer).pathname;
  expect(codeOf(await throughProxy(two, location, { headers: { cookie } }))).toBeDefined();
  // This node has not heard of it, and may still show what it remembers.
  expect([200, 400]).toContain((await browser.request(page.url.pathname)).status);
  const again = await submit();
  expect([again.status, again.headers.get('location')]).toEqual([400, null]);
  const resumed = await throughProxy(one, location, { headers: { cookie } });
  expect([resumed.status, codeOf(resumed)]).toEqual([400, undefined]);
  expect(await database.prisma.userSession.count({ where: { userId: person.id } })).toBe(1);
});

describe('S-143 an interaction that got another answer at another node', () => {
  /** Answers at the other node, and goes on at the first, which has not heard of it. */
  async function overruled(accountId: string, step: 'login' | 'abort', form: Record<string, string>) {
    const { browser, page, submit } = await parked(accountId);
    const answer = await submit();
    const cookie = browser.cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
    const headers = { cookie, 'content-type': 'application/x-www-form-urlencoded' };
    const body = String(new URLSearchParams(form));
    const other = await throughProxy(two, `${page.url.pathname}/${step}`, { method: 'POST', headers, body });
    expect(other.status).toBe(303);
    const location = answer.headers.get('location')!;
    return async () => {
      const response = await browser.request(location);
      // What this node remembers is refused, and not remembered any more.
      const { headers } = response.status === 400 ? await browser.request(location) : response;
      return new URL(headers.get('location') ?? '', one.issuer).searchParams;
    };
  }
  const sessionsOf = (userId: string) => database.prisma.userSession.count({ where: { userId } });

  test('signs in whoever was the last to answer, and nobody whose access has ended', async () => {
    const [first, last] = [await one.people.create(), await one.people.create()];
    const goOn = await overruled(first.id, 'login', { account: last.id });
    await two.endAccess(first.id);
    expect((await goOn()).get('code')).not.toBeNull();
    expect([await sessionsOf(first.id), await sessionsOf(last.id)]).toEqual([0, 1]);
  });

  test('signs nobody in when that was to abort it', async () => {
    const person = await one.people.create();
    const goOn = await overruled(person.id, 'abort', {});
    expect((await goOn()).get('error')).toBe('access_denied');
    expect(await sessionsOf(person.id)).toBe(0);
    // Nor is there a session that nobody was given the cookie of.
    expect(await database.prisma.protocolArtifact.count({ where: { kind: 'Session', accountId: person.id } })).toBe(0);
  });
});

/** The same request in many copies, half of them at each node. */
function inParallel(count: number, path: string, cookie: string) {
  return Promise.all(
    Array.from({ length: count }, (_, index) =>
      throughProxy(index % 2 ? two : one, path, { headers: { cookie, accept: 'text/html' } }),
    ),
  );
}

const codeOf = ({ headers }: { headers: Record<string, unknown> }): string | undefined =>
  headers.location === undefined
    ? undefined
    : (new URL(String(headers.location), one.issuer).searchParams.get('code') ?? undefined);

test('S-143 one sign-in continued many times at once on two nodes gives one code', async () => {
  for (let round = 0; round < 4; round++) {
    const person = await one.people.create();
    const { browser, submit } = await parked(person.id);
    const location = (await submit()).headers.get('location')!;
    const cookie = browser.cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
    const answers = await inParallel(8, new URL(location, one.issuer).pathname, cookie);
    expect(answers.map(codeOf).filter(Boolean)).toHaveLength(1);
    for (const answer of answers.filter((answer) => !codeOf(answer))) {
      expect(answer.status).toBe(400);
      // Nothing that could take the place of what the one was given.
      expect([answer.headers.location, answer.headers['set-cookie']]).toEqual([undefined, undefined]);
    }
    expect(await database.prisma.userSession.count({ where: { userId: person.id } })).toBe(1);
  }
}, 30_000);

test('many first requests of one application in one session at once give codes that all work', async () => {
  for (let round = 0; round < 3; round++) {
    const person = await one.people.create();
    const { browser } = await obtainCode(one, await one.register({}), person.id);
    const cookie = browser.cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
    const { url, verifier } = await authorizationRequest(await connect(one, client));
    const answers = await inParallel(16, `${url.pathname}${url.search}`, cookie);
    const statuses: number[] = [];
    for (const answer of answers) {
      const form = {
        grant_type: 'authorization_code',
        code: codeOf(answer)!,
        redirect_uri: url.searchParams.get('redirect_uri')!,
        code_verifier: verifier,
      };
      statuses.push((await post(`${one.issuer}/token`, form, basic(client))).status);
    }
    expect(statuses).toEqual(new Array(16).fill(200));
  }
}, 30_000);
