import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type * as oidc from 'openid-client';
import { loadConfig } from '../../src/config/load.ts';
import { openServices, type Services } from '../../src/services.ts';
import { providers } from '../../src/upstreams/registry.ts';
import { createEmptyDatabase } from '../support/database.ts';
import { type Browser, createBrowser } from '../support/flow-browser.ts';
import { authorizationRequest, basic, connect, obtainCode, post, signIn } from '../support/flow-client.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';

const BY = { actor: 'test' };
const FOR_EVER = { scope: 'openid offline_access', prompt: 'consent' };

let folder: string;
let testDatabase: Awaited<ReturnType<typeof createEmptyDatabase>>;
let services: Services;
let flow: Flow;
let client: { id: string; secret: string };
let config: oidc.Configuration;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'daemun-disabled-person-'));
  testDatabase = await createEmptyDatabase();
  // People are changed by the very services that the server and the command line use.
  services = await openServices(
    loadConfig(providers, {
      KEYS_DIR: join(folder, 'keys'),
      LOG_LEVEL: 'silent',
      ...(testDatabase ? { DATABASE_URL: testDatabase.url } : { DATA_DIR: join(folder, 'data') }),
    }),
  );
  flow = await startFlow({ database: services.database });
  client = await flow.register({ metadata: { grant_types: ['authorization_code', 'refresh_token'] } });
  config = await connect(flow, client);
}, 60_000);
afterAll(async () => {
  await flow?.close();
  await services?.close();
  await testDatabase?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What somebody has who is signed in in two browsers, one of them with access that outlasts the session. */
async function signedIn() {
  const { id } = await flow.people.create();
  const [browser, other] = [createBrowser(flow.origin), createBrowser(flow.origin)];
  const { tokens } = await signIn(flow, config, id, { browser });
  const { tokens: lasting } = await signIn(flow, config, id, { browser: other, parameters: FOR_EVER });
  const { form } = await obtainCode(flow, client, id, { browser });
  return { id, browser, other, tokens, lasting, form };
}

type SignedIn = Awaited<ReturnType<typeof signedIn>>;

const EVERYTHING = {
  session: true,
  'another session': true,
  'access token at userinfo': true,
  'access token at introspection': true,
  'lasting access token at userinfo': true,
  'lasting access token at introspection': true,
  'refresh token at introspection': true,
  'refresh token': true,
  'lasting refresh token': true,
  code: true,
};
const NOTHING = Object.fromEntries(Object.keys(EVERYTHING).map((name) => [name, false]));

/** What of it still works. Spends the code and the refresh tokens. */
async function whatWorks({ browser, other, tokens, lasting, form }: SignedIn): Promise<Record<string, boolean>> {
  return {
    session: await isSignedIn(browser),
    'another session': await isSignedIn(other),
    'access token at userinfo': await opensUserinfo(tokens.access_token),
    'access token at introspection': await isActive(tokens.access_token),
    'lasting access token at userinfo': await opensUserinfo(lasting.access_token),
    'lasting access token at introspection': await isActive(lasting.access_token),
    'refresh token at introspection': await isActive(tokens.refresh_token!),
    'refresh token': await redeems({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token! }),
    'lasting refresh token': await redeems({ grant_type: 'refresh_token', refresh_token: lasting.refresh_token! }),
    code: await redeems(form),
  };
}

async function isSignedIn(browser: Browser): Promise<boolean> {
  const { url } = await authorizationRequest(config, { prompt: 'none' });
  const { searchParams } = (await browser.open(url.href)).url;
  if (!searchParams.has('code')) expect(searchParams.get('error')).toBe('login_required');
  return searchParams.has('code');
}

async function opensUserinfo(token: string): Promise<boolean> {
  const { status } = await fetch(`${flow.issuer}/userinfo`, { headers: { authorization: `Bearer ${token}` } });
  if (status !== 200) expect(status).toBe(401);
  return status === 200;
}

async function isActive(token: string): Promise<boolean> {
  const { status, json } = await post(`${flow.issuer}/introspect`, { token }, basic(client));
  expect(status).toBe(200);
  return json.active;
}

async function redeems(form: Record<string, string>): Promise<boolean> {
  const { status, json } = await post(`${flow.issuer}/token`, form, basic(client));
  if (status !== 200) expect([status, json.error]).toEqual([400, 'invalid_grant']);
  return status === 200;
}

test('S-158 S-036 S-066 whatever a person holds ends with being disabled, and stays ended when enabled again', async () => {
  const [person, stillDisabled, bystander] = [await signedIn(), await signedIn(), await signedIn()];
  for (const { id } of [person, stillDisabled]) expect(await services.accounts.disable(id, BY)).toBe('done');
  expect(await whatWorks(stillDisabled)).toEqual(NOTHING);

  // While disabled the person alone would be reason enough: only now it shows that nothing is left.
  expect(await services.accounts.enable(person.id, BY)).toBe('done');
  expect(await whatWorks(person)).toEqual(NOTHING);
  expect(await services.sessions.list(person.id)).toEqual([]);
  expect(await whatWorks(bystander)).toEqual(EVERYTHING);

  await signIn(flow, config, person.id, { browser: person.browser });
  expect(await isSignedIn(person.browser)).toBe(true);
});

test('S-158 whatever a person holds ends with being deleted', async () => {
  const person = await signedIn();
  expect(await services.accounts.delete(person.id, BY)).toBe('done');
  expect(await whatWorks(person)).toEqual(NOTHING);
});

test('S-061 whatever a person holds ends with a new password chosen through a one-time link', async () => {
  const [person, bystander] = [await signedIn(), await signedIn()];
  const { token } = await services.oneTimeLinks.createInvitation(person.id, BY);
  const password = 'slow violet harbours sing';
  expect(await services.oneTimeLinks.completeSetPassword(token, { password }, BY)).toMatchObject({ kind: 'changed' });
  expect(await whatWorks(person)).toEqual(NOTHING);
  expect(await services.sessions.list(person.id)).toEqual([]);
  expect(await whatWorks(bystander)).toEqual(EVERYTHING);

  await signIn(flow, config, person.id, { browser: person.browser });
  expect(await isSignedIn(person.browser)).toBe(true);
});

test('S-158 a session that its owner ends takes its tokens with it, and leaves the other one and what outlasts sessions', async () => {
  const person = await signedIn();
  expect(await services.sessions.list(person.id)).toHaveLength(2);
  const uid = flow.sessions.started.find(({ userId }) => userId === person.id)!.uid as string;
  expect(await services.sessions.end({ userId: person.id, uid }, BY)).toBe('done');
  expect(await whatWorks(person)).toEqual({
    ...NOTHING,
    'another session': true,
    'lasting access token at userinfo': true,
    'lasting access token at introspection': true,
    'lasting refresh token': true,
  });
});

test('S-061 signing out everywhere ends every session and what is bound to it', async () => {
  const person = await signedIn();
  expect(await services.sessions.endAll({ userId: person.id }, BY)).toBe(2);
  const works = await whatWorks(person);
  expect([works.session, works['another session'], works['refresh token'], works.code]).toEqual([
    false,
    false,
    false,
    false,
  ]);
});

test('S-047 whatever a client holds ends with being disabled through the same services', async () => {
  const other = await flow.register({ metadata: { grant_types: ['authorization_code', 'refresh_token'] } });
  const { id } = await flow.people.create();
  const { tokens } = await signIn(flow, await connect(flow, other), id);
  await services.clients.disable(other.id, BY);
  await services.clients.enable(other.id, BY);
  const { json } = await post(`${flow.issuer}/introspect`, { token: tokens.access_token }, basic(other));
  expect(json).toEqual({ active: false });
});
