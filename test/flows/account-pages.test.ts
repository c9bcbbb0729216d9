import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Account } from '../../src/accounts/account.ts';
import { fieldsIn, LIST, NEW, textOf, valueIn } from '../console/service.ts';
import { type Api, BY, startApi } from '../management/api.ts';
import { type Browser, createBrowser, type Visit } from '../support/flow-browser.ts';

let api: Api;
let person: Account;
let browser: Browser;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api?.close());
beforeEach(async () => {
  person = await api.person();
  browser = createBrowser(api.issuer);
});

const open = (path: string) => browser.open(new URL(path, api.issuer).href);
const pathOf = ({ url }: Visit) => url.pathname;
const pathsOf = ({ trail }: Visit) => trail.map((address) => new URL(address).pathname);

/** Sends the form of a page with what it has in it, changed by `fields`. */
function submit({ url, text }: Visit, fields: Record<string, string>): Promise<Visit> {
  const [, action] = /<form class="form" method="post" action="([^"]+)"/.exec(text)!;
  return browser.submit(new URL(action!, url).href, { ...fieldsIn({ html: text }), ...fields });
}

/** What was typed into the sign-in page, which the browser was led to. */
function enterPassword(page: Visit): Promise<Visit> {
  expect(pathOf(page)).toMatch(/^\/interaction\//);
  return submit(page, { email: person.email!.address, password: 'four unrelated quiet words' });
}

const makeKey = async (form: Visit) =>
  submit(form, { key_name: 'Backup', [`scope ${api.resource} profile:read`]: 'yes' });

test('whoever opens the page is led to sign in, is asked for no consent, and comes back to it', async () => {
  const signedIn = await enterPassword(await open(NEW));
  expect(pathOf(signedIn)).toBe(NEW);
  expect(pathsOf(signedIn)).toContain('/account/signed-in');
  expect(textOf({ html: signedIn.text })).toContain('Hana Kim');
  const made = await makeKey(signedIn);
  const value = valueIn({ html: made.text })!;
  expect((await api.ask('GET', '/me', { bearer: value })).json).toMatchObject({ subject: person.id });
  const [row] = (await api.audited('api_key.created')).slice(-1);
  expect(row).toMatchObject({ actor: person.id });
  // Never the value, anywhere.
  const everything = JSON.stringify([await api.audited('api_key.created'), api.log]);
  expect(everything).not.toContain(value);
});

test('the code that comes back is worth nothing: nobody has the verifier to its challenge', async () => {
  const { trail } = await enterPassword(await open(LIST));
  const returned = new URL(trail.find((address) => address.includes('/account/signed-in'))!);
  const response = await fetch(`${api.issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: 'account',
      code: returned.searchParams.get('code')!,
      redirect_uri: `${api.issuer}/account/signed-in`,
      code_verifier: 'a'.repeat(43),
    }),
  });
  expect([response.status, ((await response.json()) as { error: string }).error]).toEqual([400, 'invalid_grant']);
});

test('S-156 five minutes after the sign-in one has to sign in again to make a key, and then comes back to the form', async () => {
  await enterPassword(await open(LIST));
  expect((await open(NEW)).text).toContain('<form');
  await api.ageSessions(person, 301);
  const asked = await open(NEW);
  expect(textOf({ html: asked.text })).toContain('more than five minutes ago');
  const [, confirm] = /href="(\/account\/confirm[^"]*)"/.exec(asked.text)!;
  const again = await open(confirm!.replaceAll('&amp;', '&'));
  expect(textOf({ html: again.text })).toContain('asks you to sign in again');
  const back = await enterPassword(again);
  expect(pathOf(back)).toBe(NEW);
  expect(valueIn({ html: (await makeKey(back)).text })).toMatch(/^sk-/);
  // To look at the list nobody had to.
  await api.ageSessions(person, 100_000);
  expect(textOf({ html: (await open(LIST)).text })).toContain('Backup');
});

test('S-157, S-158 a session that was ended elsewhere, or whose person is disabled, opens no page', async () => {
  await enterPassword(await open(LIST));
  const form = await open(NEW);
  await api.services.sessions.endAll({ userId: person.id }, BY);
  expect(pathOf(await open(LIST))).toMatch(/^\/interaction\//);
  expect(pathOf(await makeKey(form))).toMatch(/^\/interaction\//);
  const { url } = await enterPassword(await open(LIST));
  expect(url.pathname).toBe(LIST);
  await api.services.accounts.disable(person.id, BY);
  const page = await open(LIST);
  expect(pathOf(page)).toMatch(/^\/interaction\//);
  expect(textOf({ html: (await enterPassword(page)).text })).toContain('This account has been disabled');
  const owner = { kind: 'user', id: person.id } as const;
  expect((await api.services.apiKeys.list({ owner, limit: 10 }, { as: 'administrator' })).apiKeys).toEqual([]);
});

test('nobody can register, change or disable the client of these pages', async () => {
  const { clients } = api.services;
  const metadata = { redirect_uris: ['https://attacker.example/cb'], token_endpoint_auth_method: 'none' };
  expect(await clients.create({ id: 'account', name: 'X', metadata }, BY)).toMatchObject({ kind: 'refused' });
  expect(await clients.update('account', { metadata }, BY)).toEqual({ kind: 'not_found' });
  expect(await clients.disable('account', BY)).toBe('not_found');
  expect(pathOf(await enterPassword(await open(LIST)))).toBe(LIST);
});

test('the start page leads there', async () => {
  expect((await open('/')).text).toContain(`href="${LIST}"`);
});
