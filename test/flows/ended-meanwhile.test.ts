import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createUserSessions } from '../../src/accounts/sessions.ts';
import type { IdentityProvider } from '../../src/provider/identity-provider.ts';
import { endAccountAccess, endSession } from '../../src/provider/revocation.ts';
import { createPerson, PASSWORD, startNode, type TestNode } from '../accounts/node.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { type Browser, createBrowser, type Visit } from '../support/flow-browser.ts';
import { authorizationRequest, basic, connect, obtainCode, pageOf, post, signIn } from '../support/flow-client.ts';
import { CALLBACK, type Flow, startFlow } from '../support/flow-server.ts';
import { type Interruptible, interruptible } from '../support/interruption.ts';

// Access ends between two steps of one request, or of one sign-in. What the later step stores must be worth nothing.

let database: TestDatabase;
let flow: Flow;
let node: TestNode;
let meanwhile: Interruptible;
beforeAll(async () => {
  database = await openTestDatabase();
  meanwhile = interruptible(database);
  flow = await startFlow({ database: meanwhile });
  node = startNode(database, { endAccess: endAccountAccess });
});
afterAll(async () => {
  await flow.close();
  await node.close();
  await database.close();
});

let person: { id: string; email: string };
let browser: Browser;
beforeEach(async () => {
  person = await createPerson(node);
  browser = createBrowser(flow.origin);
});

const grant_types = ['authorization_code', 'refresh_token'];
const register = (isFirstParty = true) => flow.register({ isFirstParty, metadata: { grant_types } });
const endAccess = () => flow.endAccess(person.id);

async function isSignedIn(client: { id: string; secret: string }): Promise<boolean> {
  const { url } = await authorizationRequest(await connect(flow, client), { prompt: 'none' });
  return (await browser.open(url.href)).url.searchParams.has('code');
}

/** Whether what the browser came back with opens anything. */
async function givesTokens(visit: Visit, verifier: string, client: { id: string; secret: string }): Promise<boolean> {
  const code = visit.url.searchParams.get('code');
  if (code === null) return false;
  const form = { grant_type: 'authorization_code', code, redirect_uri: CALLBACK, code_verifier: verifier };
  const { status, json } = await post(`${flow.issuer}/token`, form, basic(client));
  if (status !== 200) expect([status, json.error]).toEqual([400, 'invalid_grant']);
  return status === 200;
}

describe('S-158 access that ends while a request is under way, after the account was looked at:', () => {
  /** `arm` lets access end from then on. */
  type Proceed = (page: Visit, arm: () => void) => Promise<Visit>;
  const requests: [string, { isFirstParty?: boolean; signedIn?: boolean }, Proceed][] = [
    ['a sign-in', {}, (page, arm) => follow(page, 'login', arm)],
    ['a consent', { isFirstParty: false, signedIn: true }, (page, arm) => follow(page, 'consent', arm)],
    [
      'a request of somebody signed in',
      { signedIn: true },
      (page, arm) => {
        arm();
        return browser.open(page.url.href);
      },
    ],
  ];

  /** Answers the page, and lets access end only when the answer is stored and the browser goes on. */
  async function follow(page: Visit, step: string, arm: () => void): Promise<Visit> {
    const body = new URLSearchParams({ account: person.id });
    const answer = await browser.request(`${page.url.pathname}/${step}`, { method: 'POST', body });
    expect(answer.status).toBe(303);
    arm();
    return browser.open(answer.headers.get('location')!);
  }

  test.each(requests)('%s goes through when it does not end', async (_, options, proceed) => {
    expect(await outcomeOf(options, proceed)).toEqual({ givesTokens: true, isSignedIn: true });
  });

  test.each(requests)('%s gives nothing that works, and nobody is signed in', async (_, options, proceed) => {
    const outcome = await outcomeOf(options, proceed, endAccess);
    expect(meanwhile.isQuiet()).toBe(true);
    expect(outcome).toEqual({ givesTokens: false, isSignedIn: false });
  });

  async function outcomeOf(
    { isFirstParty = true, signedIn = false },
    proceed: Proceed,
    happens?: () => Promise<unknown>,
  ) {
    const own = await register();
    const client = await register(isFirstParty);
    if (signedIn) await obtainCode(flow, own, person.id, { browser });
    const { url, verifier } = await authorizationRequest(await connect(flow, client));
    const page = signedIn && isFirstParty ? ({ url, text: '', trail: [] } as Visit) : await browser.open(url.href);
    const visit = await proceed(page, () => happens && meanwhile.afterNextAccount(happens));
    return { givesTokens: await givesTokens(visit, verifier, client), isSignedIn: await isSignedIn(own) };
  }
});

test('S-159 S-175 a session that is ended from the list while its person signs in to it again stays ended, and no sign-in is on record', async () => {
  const { audit, log } = flow;
  const logger = { warn: (...told: unknown[]) => void log.push(String(told)) };
  const list = createUserSessions({ database, audit, logger, lifetime: 600, endSession });
  const client = await register();
  await obtainCode(flow, client, person.id, { browser });
  const { uid } = flow.sessions.started.at(-1) as { uid: string };
  const { url, verifier } = await authorizationRequest(await connect(flow, client), { prompt: 'login' });
  const page = await browser.open(url.href);
  const body = new URLSearchParams({ account: person.id });
  const answer = await browser.request(`${page.url.pathname}/login`, { method: 'POST', body });
  meanwhile.afterNextAccount(async () => expect(await list.end({ userId: person.id, uid }, {})).toBe('done'));
  const visit = await browser.open(answer.headers.get('location')!);
  expect(meanwhile.isQuiet()).toBe(true);
  expect(await list.list(person.id)).toEqual([]);
  const records = await database.prisma.auditEvent.findMany({ where: { sessionId: uid }, orderBy: { at: 'asc' } });
  const types = records.map(({ type }) => type).filter((type) => type.startsWith('session.'));
  expect(types).toEqual(['session.started', 'session.ended']);
  expect(await isSignedIn(client)).toBe(false);
  expect(await givesTokens(visit, verifier, client)).toBe(false);
  await list.close();
});

describe('S-158 a password that was right', () => {
  const endings: [string, () => Promise<unknown>][] = [
    ['the access was ended', endAccess],
    [
      'the password was changed',
      async () => {
        const { token } = await node.oneTimeLinks.createInvitation(person.id);
        const outcome = await node.oneTimeLinks.completeSetPassword(token, { password: `${PASSWORD} anew` }, {});
        expect(outcome.kind).toBe('changed');
      },
    ],
    [
      'the person was disabled and enabled again',
      async () => {
        expect(await node.accounts.disable(person.id, {})).toBe('done');
        expect(await node.accounts.enable(person.id, {})).toBe('done');
      },
    ],
  ];

  /** The page of the service: it checks the password, and hands over the result a moment later. */
  async function enter(ending: () => Promise<unknown>) {
    const { url, verifier } = await authorizationRequest(await connect(flow, await register()));
    const page = await browser.open(url.href);
    const { finishInteraction } = flow.identityProvider;
    flow.identityProvider.finishInteraction = async (ctx) => {
      flow.identityProvider.finishInteraction = finishInteraction;
      const outcome = await node.signIn.withPassword({ login: person.email, password: PASSWORD }, {});
      if (outcome.kind !== 'signed_in') throw new Error(outcome.kind);
      await ending();
      const { account, amr, accessGeneration } = outcome;
      const result = { login: { accountId: account.id, amr, accessGeneration } };
      await finishInteraction(ctx, result as Parameters<IdentityProvider['finishInteraction']>[1]);
    };
    return { verifier, end: await browser.submit(`${page.url.pathname}/login`, { account: person.id }) };
  }

  test('signs in', async () => {
    expect((await enter(async () => undefined)).end.url.searchParams.has('code')).toBe(true);
  });

  test.each(endings)('before %s, and is handed over after, has to be given again', async (_, ending) => {
    const started = flow.sessions.started.length;
    const { end } = await enter(ending);
    expect(pageOf(end)).toMatchObject({ screen: 'interaction', prompt: 'login' });
    expect(flow.sessions.started).toHaveLength(started);
    const again = await browser.submit(`${end.url.pathname}/login`, { account: person.id });
    expect(again.url.searchParams.has('code')).toBe(true);
  });
});

test('S-158 enabling lets nothing in that was kept by somebody who only changed the row', async () => {
  const client = await register();
  const { browser: kept, tokens } = await signIn(flow, await connect(flow, client), person.id, { browser });
  const { token } = await node.oneTimeLinks.createInvitation(person.id);
  await database.prisma.user.update({ where: { id: person.id }, data: { state: 'disabled' } });
  expect(await node.accounts.enable(person.id, {})).toBe('done');
  const { url } = await authorizationRequest(await connect(flow, client), { prompt: 'none' });
  expect((await kept.open(url.href)).url.searchParams.get('error')).toBe('login_required');
  const form = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token! };
  expect((await post(`${flow.issuer}/token`, form, basic(client))).json.error).toBe('invalid_grant');
  expect(await node.oneTimeLinks.find(token)).toBeUndefined();
});

test('S-158 S-059 what a person gets while a transaction is ending their access is void once it has', async () => {
  // One session has one transaction at a time: here nobody can come in between.
  if (database.kind === 'embedded') return;
  const client = await register();
  let commit = () => {};
  let ending: Promise<unknown> = Promise.resolve();
  /** Ends access, up to the moment before others see it. */
  const beginToEnd = () =>
    new Promise<void>((ended) => {
      ending = database.prisma.$transaction(async (tx) => {
        await endAccountAccess(tx, person.id);
        ended();
        await new Promise<void>((resolve) => {
          commit = resolve;
        });
      });
    });
  const { url, verifier } = await authorizationRequest(await connect(flow, client));
  const login = await browser.open(url.href);
  const body = new URLSearchParams({ account: person.id });
  // A sign-in that is answered already belongs to the person, and who goes on with it waits for the transaction.
  await beginToEnd();
  const answer = await browser.request(`${login.url.pathname}/login`, { method: 'POST', body });
  const { url: callback } = await browser.open(answer.headers.get('location')!);
  const code = callback.searchParams.get('code')!;
  const redeem = { grant_type: 'authorization_code', code, redirect_uri: CALLBACK, code_verifier: verifier };
  const { json: tokens } = await post(`${flow.issuer}/token`, redeem, basic(client));
  expect(tokens).toMatchObject({ access_token: expect.any(String), refresh_token: expect.any(String) });
  commit();
  await ending;

  const form = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token };
  expect((await post(`${flow.issuer}/token`, form, basic(client))).json.error).toBe('invalid_grant');
  const headers = { authorization: `Bearer ${tokens.access_token}` };
  expect((await fetch(`${flow.issuer}/userinfo`, { headers })).status).toBe(401);
  expect(await isSignedIn(client)).toBe(false);
});

test('S-158 a consent that is given in a session that does not stand any more is not remembered', async () => {
  const client = await register(false);
  const { url } = await authorizationRequest(await connect(flow, client));
  const login = await browser.open(url.href);
  const page = await browser.submit(`${login.url.pathname}/login`, { account: person.id });
  expect(pageOf(page).prompt).toBe('consent');
  // As if the session and the page had been stored after access ended: nothing removed them.
  await database.pool.query('UPDATE users SET access_generation = access_generation + 1 WHERE id = $1', [person.id]);
  const answer = await browser.submit(`${page.url.pathname}/consent`, {});
  expect(answer.response!.status).toBe(400);
  expect(await database.prisma.consent.count({ where: { clientId: client.id } })).toBe(0);
});
