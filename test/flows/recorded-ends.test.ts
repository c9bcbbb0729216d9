import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import type { Account } from '../../src/accounts/account.ts';
import { type Browser, createBrowser } from '../support/flow-browser.ts';
import { authorizationRequest, basic, connect, obtainCode, pageOf, signIn } from '../support/flow-client.ts';
import { type ProxiedAnswer, throughProxy } from '../support/flow-https.ts';
import type { Flow } from '../support/flow-server.ts';
import { startTwoNodes, type TwoNodes } from '../support/flow-two-nodes.ts';
import { type RecordedStatement, recordStatements } from '../support/recorded-statements.ts';

/*
 * S-175: what a request of the protocol ends is recorded by the statement that ends it. So there is no moment at which a process may
 * be killed between the two, and where the record cannot be stored nothing has ended.
 */

const grant_types = ['authorization_code', 'refresh_token', 'client_credentials'];

let nodes: TwoNodes;
let database: TwoNodes['database'];
let one: Flow;
let two: Flow;
let statements: RecordedStatement[];
let person: Account;
let client: { id: string; secret: string };
beforeAll(async () => {
  nodes = await startTwoNodes();
  ({ database, one, two } = nodes);
  statements = recordStatements(database.pool);
});
afterAll(() => nodes?.close());
beforeEach(async () => {
  person = await one.people.create();
  client = await one.register({ metadata: { grant_types } });
});

const nodeOf = (caller: number) => (caller % 2 ? two : one);
const onBoth = (count: number, ask: (node: Flow) => Promise<Answer>) =>
  Promise.all(Array.from({ length: count }, (_, caller) => ask(nodeOf(caller))));

type Answer = ProxiedAnswer & { requestId: string };

async function send(node: Flow, path: string, form: Record<string, string>, headers: Record<string, string>) {
  const answer = await throughProxy(node, path, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams(form).toString(),
  });
  return { ...answer, requestId: String(answer.headers['x-request-id']) };
}

const call = (node: Flow, path: string, form: Record<string, string>) => send(node, path, form, basic(client));
const refresh = (node: Flow, refresh_token: string) =>
  call(node, '/token', { grant_type: 'refresh_token', refresh_token });

async function isActive(token: string): Promise<boolean> {
  return JSON.parse((await call(one, '/introspect', { token })).text).active;
}

async function isSignedIn(browser: Browser): Promise<boolean> {
  const { url } = await authorizationRequest(await connect(one, client), { prompt: 'none' });
  return (await browser.open(url.href)).url.searchParams.has('code');
}

/** The page that asks has been shown; answers who says yes. */
async function askToLeave(browser: Browser): Promise<(node: Flow) => Promise<Answer>> {
  const [, xsrf] = /name="xsrf" value="([^"]+)"/.exec(pageOf(await browser.open('/logout')).form)!;
  const cookie = browser.cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
  return (node) => send(node, '/logout/confirm', { xsrf: xsrf!, logout: 'yes' }, { cookie });
}

/** What was recorded of these requests, but for the tokens that they were given, by type. */
async function recordsOf(...answers: Answer[]) {
  const ids = answers.map(({ requestId }) => requestId);
  const where = { requestId: { in: ids }, type: { not: 'token.issued' } };
  const rows = await database.prisma.auditEvent.findMany({ where, orderBy: [{ type: 'asc' }, { clientId: 'asc' }] });
  return rows.map(({ type, userId, clientId, sessionId, requestId, details }) => {
    return { type, userId, clientId, sessionId, requestId, details };
  });
}

/** Statements of one request that change something. */
async function changesOf(request: () => Promise<Answer>): Promise<[Answer, string[]]> {
  statements.length = 0;
  const answer = await request();
  const changing = statements.filter(({ text }) => /\b(?:INSERT|UPDATE|DELETE)\b/.test(text));
  return [answer, changing.map(({ name, text }) => name?.split('.').slice(0, 2).join('.') ?? text)];
}

/** As if the database failed at this very row. */
async function whileUnrecordable(type: string, act: () => Promise<unknown>): Promise<void> {
  const { pool } = database;
  await pool.query(
    `ALTER TABLE audit_events ADD CONSTRAINT none_of_this CHECK (type <> '${type}' OR user_id <> '${person.id}') NOT VALID`,
  );
  try {
    await act();
  } finally {
    await pool.query('ALTER TABLE audit_events DROP CONSTRAINT none_of_this');
  }
}

const toldOf = (type: string, about: string) =>
  [...one.log, ...two.log].filter((line) => line.includes(`"${type}"`) && line.includes(about)).length;

describe('S-175 a sign-out', () => {
  async function signedIn() {
    const { browser, tokens } = await signIn(one, await connect(one, client), person.id);
    const { uid } = one.sessions.started.at(-1) as { uid: string };
    return { browser, tokens, uid };
  }

  test('is one statement with its records, which name the person, the session and the clients it was granted to', async () => {
    const { browser, tokens, uid } = await signedIn();
    const reader = await one.register({ isFirstParty: false, metadata: { grant_types } });
    await signIn(one, await connect(one, reader), person.id, { browser });
    const leave = await askToLeave(browser);
    const [answer, changes] = await changesOf(() => leave(one));
    expect([answer.status, changes]).toEqual([303, ['artifacts.end-all']]);
    const common = { userId: person.id, sessionId: uid, requestId: answer.requestId };
    const ofGrant = { ...common, type: 'grant.revoked', details: { reason: 'end_session_confirm' } };
    const clients = [client.id, reader.id].sort();
    expect(await recordsOf(answer)).toEqual([
      { ...ofGrant, clientId: clients[0] },
      { ...ofGrant, clientId: clients[1] },
      { ...common, type: 'session.ended', clientId: null, details: { reason: 'signed_out' } },
    ]);
    expect([await isSignedIn(browser), await isActive(tokens.access_token)]).toEqual([false, false]);
    const { endedAt } = await database.prisma.userSession.findUniqueOrThrow({ where: { uid } });
    expect(endedAt).not.toBeNull();
    // The log tells whose it was, once.
    const [line, ...others] = one.log.filter((text) => text.includes('"session.ended"') && text.includes(uid));
    expect([JSON.parse(line!).userId, others]).toEqual([person.id, []]);
  });

  test.each(['session.ended', 'grant.revoked'])('that cannot be recorded (%s) has not happened', async (type) => {
    const { browser, tokens, uid } = await signedIn();
    const leave = await askToLeave(browser);
    await whileUnrecordable(type, async () => {
      const answer = await leave(one);
      expect(answer.status).toBe(500);
      const { value } = browser.cookies.find(({ name }) => name === 'daemun_session')!;
      const given = answer.cookies.filter((line) => line.startsWith('daemun_session='));
      expect(given.filter((line) => !line.startsWith(`daemun_session=${value};`))).toEqual([]);
      expect(await recordsOf(answer)).toEqual([]);
    });
    expect([await isSignedIn(browser), await isActive(tokens.access_token)]).toEqual([true, true]);
    const { endedAt } = await database.prisma.userSession.findUniqueOrThrow({ where: { uid } });
    expect(endedAt).toBeNull();
    expect((await (await askToLeave(browser))(two)).status).toBe(303);
    expect(await isSignedIn(browser)).toBe(false);
  });

  test('that is asked for on two nodes at once is recorded once', async () => {
    for (let round = 0; round < 5; round++) {
      const { browser, uid } = await signedIn();
      const answers = await onBoth(4, await askToLeave(browser));
      const types = (await recordsOf(...answers)).map(({ type }) => type);
      expect(types.filter((type) => type !== 'authorization.refused')).toEqual(['grant.revoked', 'session.ended']);
      expect(toldOf('session.ended', uid)).toBe(1);
    }
  });

  test('of one application only ends its grant, is recorded as that, and leaves the person signed in', async () => {
    const { browser, tokens, uid } = await signedIn();
    const page = pageOf(await browser.open(`/logout?client_id=${client.id}`));
    const [, xsrf] = /name="xsrf" value="([^"]+)"/.exec(page.form)!;
    const answer = await browser.request('/logout/confirm', {
      method: 'POST',
      body: new URLSearchParams({ xsrf: xsrf! }),
    });
    const requestId = String(answer.headers.get('x-request-id'));
    expect(await recordsOf({ requestId } as Answer)).toMatchObject([
      { type: 'grant.revoked', userId: person.id, clientId: client.id, sessionId: uid },
    ]);
    expect([await isActive(tokens.access_token), await isSignedIn(browser)]).toEqual([false, true]);
  });
});

describe('a session that gets a new id loses the old one in the same statement', () => {
  const changingSessions = () =>
    statements.flatMap(({ name }) =>
      /^artifacts\.\S*(?:end|save)|^sessions\.start/.test(name ?? '') ? name!.split('.')[1] : [],
    );

  async function signedIn() {
    const signedIn = await signIn(one, await connect(one, client), person.id);
    statements.length = 0;
    return signedIn;
  }

  test('with a consent', async () => {
    const reader = await one.register({ isFirstParty: false });
    const { browser } = await signedIn();
    await obtainCode(one, reader, person.id, { browser });
    expect(changingSessions()).toContain('save-end');
    expect(changingSessions()).not.toContain('end');
    expect(await isSignedIn(browser)).toBe(true);
  });

  test('S-175 with another sign-in, which is recorded by it, too', async () => {
    const { browser } = await signedIn();
    const { uid } = one.sessions.started.at(-1) as { uid: string };
    const old = browser.cookies.map((cookie) => ({ ...cookie }));
    await signIn(one, await connect(one, client), person.id, { browser, parameters: { prompt: 'login' } });
    expect(changingSessions()).toContain('save-record-start-end');
    expect(changingSessions()).not.toEqual(expect.arrayContaining([expect.stringMatching(/^(?:end|start)$/)]));
    const started = { type: 'session.started', sessionId: uid };
    expect(await database.prisma.auditEvent.count({ where: started })).toBe(2);
    expect(toldOf('session.started', uid)).toBe(2);
    expect(await isSignedIn(browser)).toBe(true);
    browser.cookies.splice(0, browser.cookies.length, ...old);
    expect(await isSignedIn(browser)).toBe(false);
  });

  test('S-175 and stays as it was, in the browser too, when a sign-in cannot be recorded', async () => {
    const { browser } = await signedIn();
    const before = browser.cookies.find(({ name }) => name === 'daemun_session')!.value;
    await whileUnrecordable('session.started', async () => {
      const { url } = await authorizationRequest(await connect(one, client), { prompt: 'login' });
      const page = await browser.open(url.href);
      const visit = await browser.submit(`${page.url.pathname}/login`, { account: person.id });
      expect(visit.response!.status).toBe(500);
    });
    expect(browser.cookies.find(({ name }) => name === 'daemun_session')!.value).toBe(before);
    expect(await isSignedIn(browser)).toBe(true);
  });
});

describe('S-175 a revocation (RFC 7009)', () => {
  async function tokens() {
    const signedIn = await signIn(one, await connect(one, client), person.id);
    const { uid } = one.sessions.started.at(-1) as { uid: string };
    return { access: signedIn.tokens.access_token, refresh: signedIn.tokens.refresh_token!, uid };
  }

  test('of a refresh token ends its grant, in the statement that records both', async () => {
    const { access, refresh, uid } = await tokens();
    const [answer, changes] = await changesOf(() => call(one, '/revoke', { token: refresh }));
    // The second is the engine's own, which finds nothing to end any more.
    expect([answer.status, changes]).toEqual([200, ['artifacts.end-all', 'artifacts.end-all']]);
    const common = { userId: person.id, clientId: client.id, sessionId: uid, requestId: answer.requestId };
    expect(await recordsOf(answer)).toEqual([
      { ...common, type: 'grant.revoked', details: { reason: 'revocation' } },
      { ...common, type: 'token.revoked', details: { kind: 'RefreshToken' } },
    ]);
    expect([await isActive(access), await isActive(refresh)]).toEqual([false, false]);
    // A second time there is nothing to end.
    const again = await call(two, '/revoke', { token: refresh });
    expect([again.status, await recordsOf(again)]).toEqual([200, []]);
  });

  test('of an access token ends what came of the same grant, in the statement that records it', async () => {
    const { access, refresh, uid } = await tokens();
    const [answer, changes] = await changesOf(() => call(one, '/revoke', { token: access }));
    expect([answer.status, changes]).toEqual([200, ['artifacts.end-all']]);
    expect(await recordsOf(answer)).toEqual([
      {
        type: 'token.revoked',
        userId: person.id,
        clientId: client.id,
        sessionId: uid,
        requestId: answer.requestId,
        details: { kind: 'AccessToken' },
      },
    ]);
    expect([await isActive(access), await isActive(refresh)]).toEqual([false, false]);
  });

  test('of a client’s own token is recorded as the client’s', async () => {
    const { text } = await call(one, '/token', { grant_type: 'client_credentials' });
    const answer = await call(one, '/revoke', { token: JSON.parse(text).access_token });
    expect(await recordsOf(answer)).toMatchObject([
      { type: 'token.revoked', userId: null, clientId: client.id, details: { kind: 'ClientCredentials' } },
    ]);
  });

  test('of somebody else’s token does nothing and is no record', async () => {
    const { access } = await tokens();
    const other = await one.register({ metadata: { grant_types } });
    const answer = await send(one, '/revoke', { token: access }, basic(other));
    expect(await recordsOf(answer)).toEqual([]);
    expect(await isActive(access)).toBe(true);
  });

  test.each(['access', 'refresh'] as const)('of an %s token that cannot be recorded has not happened', async (kind) => {
    const given = await tokens();
    await whileUnrecordable('token.revoked', async () => {
      const answer = await call(one, '/revoke', { token: given[kind] });
      expect([answer.status, await recordsOf(answer)]).toEqual([500, []]);
    });
    expect([await isActive(given.access), await isActive(given.refresh)]).toEqual([true, true]);
  });

  test.each(['access', 'refresh'] as const)('of one %s token on two nodes at once is recorded once', async (kind) => {
    for (let round = 0; round < 3; round++) {
      const given = await tokens();
      const answers = await onBoth(6, (node) => call(node, '/revoke', { token: given[kind] }));
      expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(200));
      const types = (await recordsOf(...answers)).map(({ type }) => type);
      expect(types).toEqual(kind === 'access' ? ['token.revoked'] : ['grant.revoked', 'token.revoked']);
    }
  });
});

describe('S-026 S-055 S-175 a replay', () => {
  /** Something spent, its tokens, and how to present it once more. */
  const replays = {
    'code.replayed': async () => {
      const { form } = await obtainCode(one, client, person.id);
      const { access_token } = JSON.parse((await call(one, '/token', form)).text);
      return { access: access_token as string, again: (node: Flow) => call(node, '/token', form) };
    },
    'refresh_token.replayed': async () => {
      const { tokens } = await signIn(one, await connect(one, client), person.id);
      const second = JSON.parse((await refresh(one, tokens.refresh_token!)).text);
      const third = JSON.parse((await refresh(one, second.refresh_token)).text);
      const again = (node: Flow) => refresh(node, tokens.refresh_token!);
      return { access: third.access_token as string, again };
    },
  };
  const kinds = Object.keys(replays) as (keyof typeof replays)[];

  test.each(kinds)('(%s) ends the grant in the statement that records whose it was', async (type) => {
    const { access, again } = await replays[type]();
    const { uid } = one.sessions.started.at(-1) as { uid: string };
    const answer = await again(two);
    expect([answer.status, JSON.parse(answer.text).error]).toEqual([400, 'invalid_grant']);
    expect(await recordsOf(answer)).toEqual([
      { type, userId: person.id, clientId: client.id, sessionId: uid, requestId: answer.requestId, details: {} },
    ]);
    expect(await isActive(access)).toBe(false);
    expect(toldOf(type, answer.requestId)).toBe(1);
  });

  test.each(kinds)('(%s) that cannot be recorded ends nothing, and can be seen again', async (type) => {
    const { access, again } = await replays[type]();
    await whileUnrecordable(type, async () => expect((await again(one)).status).toBe(500));
    expect(await isActive(access)).toBe(true);
    const answer = await again(one);
    expect(await recordsOf(answer)).toMatchObject([{ type }]);
    expect(await isActive(access)).toBe(false);
  });

  test.each(kinds)('(%s) on two nodes at once is recorded once', async (type) => {
    for (let round = 0; round < 4; round++) {
      const { again } = await replays[type]();
      const answers = await onBoth(6, again);
      expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(400));
      const records = (await recordsOf(...answers)).filter((record) => record.type !== 'token.refused');
      expect(records.map((record) => record.type)).toEqual([type]);
    }
  });

  test('(code.replayed) of presentations at once, one of which is spent before the others, is recorded once', async () => {
    let replayed = 0;
    for (let round = 0; round < 6; round++) {
      const { form } = await obtainCode(one, client, person.id);
      const answers = await onBoth(4, (node) => call(node, '/token', form));
      const records = (await recordsOf(...answers)).filter(({ type }) => type !== 'token.refused');
      expect(records.length).toBeLessThanOrEqual(1);
      for (const record of records) {
        expect(record).toMatchObject({ type: 'code.replayed', userId: person.id, clientId: client.id });
        expect(record.sessionId).toEqual(expect.any(String));
      }
      replayed += records.length;
    }
    expect(replayed).toBeGreaterThan(0);
  });
});

describe('S-034 S-175 wrong verifiers of a code', () => {
  const guess = (form: Record<string, string>) => (node: Flow) =>
    call(node, '/token', { ...form, code_verifier: oidc.randomPKCECodeVerifier() });
  const refused = { error: 'invalid_grant', grantType: 'authorization_code' };

  test('are each recorded by the statement that counts them, the last one with the end of the code', async () => {
    const { form } = await obtainCode(one, client, person.id);
    for (let tries = 1; tries <= 5; tries++) {
      const [answer, changes] = await changesOf(() => guess(form)(one));
      expect([answer.status, JSON.parse(answer.text).error]).toEqual([400, 'invalid_grant']);
      expect(changes).toEqual(['artifacts.count-failure']);
      const details = tries < 5 ? refused : { ...refused, codeVoided: true };
      const common = { userId: person.id, clientId: client.id, sessionId: null, requestId: answer.requestId };
      expect(await recordsOf(answer)).toEqual([{ ...common, type: 'token.refused', details }]);
      const told = one.log.filter((line) => line.includes('"token.refused"') && line.includes(answer.requestId));
      expect(told.map((line) => JSON.parse(line))).toMatchObject([{ userId: person.id, details }]);
    }
    expect((await call(two, '/token', form)).status).toBe(400);
  });

  test('of which the last cannot be recorded leave the code as it was', async () => {
    const { form } = await obtainCode(one, client, person.id);
    for (let tries = 1; tries < 5; tries++) await guess(form)(one);
    await whileUnrecordable('token.refused', async () => expect((await guess(form)(one)).status).toBe(500));
    expect((await call(two, '/token', form)).status).toBe(200);
  });

  test.each([5, 12])('%i at once on two nodes are a record each, and one of them has ended the code', async (count) => {
    for (let round = 0; round < 4; round++) {
      const { form } = await obtainCode(one, client, person.id);
      const answers = await onBoth(count, guess(form));
      expect(answers.map(({ status }) => status)).toEqual(Array(count).fill(400));
      // Those that found nothing to count on end nothing, and are queued.
      await Promise.all([one, two].map(({ audit }) => audit.queue.tokenRefused({ error: 'last' }, {})));
      const records = await recordsOf(...answers);
      expect(records.map(({ requestId }) => requestId).sort()).toEqual(
        answers.map(({ requestId }) => requestId).sort(),
      );
      expect(records.filter(({ details }) => 'codeVoided' in (details as object))).toHaveLength(1);
      expect((await call(two, '/token', form)).status).toBe(400);
    }
  });

  test('of a code that is void already are refusals like others', async () => {
    const { form } = await obtainCode(one, client, person.id);
    await onBoth(5, guess(form));
    const answer = await guess(form)(one);
    await one.audit.queue.tokenRefused({ error: 'last' }, {});
    expect(await recordsOf(answer)).toMatchObject([{ type: 'token.refused', userId: null, details: refused }]);
  });
});

describe('S-175 a denied consent', () => {
  /** The page that asks has been shown; answers who says no to it, and whether it still asks. */
  async function askedToConsent() {
    client = await one.register({ isFirstParty: false, metadata: { grant_types } });
    const browser = createBrowser(one.origin);
    const { url } = await authorizationRequest(await connect(one, client));
    const signIn = await browser.open(url.href);
    const page = await browser.submit(`${signIn.url.pathname}/login`, { account: person.id });
    expect(pageOf(page).prompt).toBe('consent');
    const { uid } = one.sessions.started.at(-1) as { uid: string };
    const { pathname } = page.url;
    const cookie = browser.cookies
      .filter(({ path }) => pathname.startsWith(path))
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');
    const deny = (node: Flow) => send(node, `${pathname}/abort`, {}, { cookie });
    return { browser, pathname, uid, deny };
  }

  test('is recorded by the statement that stores the answer', async () => {
    const { uid, deny } = await askedToConsent();
    const [answer, changes] = await changesOf(() => deny(one));
    expect([answer.status, changes]).toEqual([303, ['artifacts.amend-recorded']]);
    const common = { userId: person.id, clientId: client.id, sessionId: uid, requestId: answer.requestId };
    expect(await recordsOf(answer)).toEqual([{ ...common, type: 'consent.denied', details: {} }]);
    expect(toldOf('consent.denied', answer.requestId)).toBe(1);
  });

  test('that cannot be recorded has not happened: the page still asks', async () => {
    const { browser, pathname, deny } = await askedToConsent();
    await whileUnrecordable('consent.denied', async () => expect((await deny(one)).status).toBe(500));
    const end = await browser.submit(`${pathname}/consent`, {});
    expect(end.url.searchParams.has('code')).toBe(true);
  });

  test('on two nodes at once is recorded once for each who is answered', async () => {
    const { deny } = await askedToConsent();
    const answers = await onBoth(6, deny);
    const answered = answers.filter(({ status }) => status === 303).map(({ requestId }) => requestId);
    const records = await recordsOf(...answers);
    expect(records.map(({ requestId }) => requestId).sort()).toEqual(answered.sort());
    expect(answered.length).toBeGreaterThan(0);
  });

  test('of a page whose session ended meanwhile is no record', async () => {
    const { uid, deny } = await askedToConsent();
    const { pool } = database;
    // As if it ended between the look at it and the answer.
    await pool.query(
      `CREATE OR REPLACE FUNCTION end_meanwhile() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
    );
    await pool.query(`CREATE TRIGGER end_meanwhile BEFORE UPDATE ON protocol_artifacts FOR EACH ROW
      WHEN (OLD.kind = 'Interaction') EXECUTE FUNCTION end_meanwhile()`);
    try {
      const answer = await deny(one);
      expect([answer.status >= 400, await recordsOf(answer)]).toEqual([true, []]);
      expect(toldOf('consent.denied', uid)).toBe(0);
    } finally {
      await pool.query('DROP TRIGGER end_meanwhile ON protocol_artifacts');
    }
  });
});
