import { request } from 'node:http';
import { describe, expect, test } from '@jest/globals';
import type { StoredAccount } from '../../src/accounts/account.ts';
import { createPerson } from '../accounts/node.ts';
import { actingFor, BY, makeKey, NOTES } from '../api-keys/key-nodes.ts';
import { csrfIn, type Page } from '../interactions/service.ts';
import { type Browser, type ConsoleService, LIST, NEW, submit, textOf, useConsole } from './service.ts';

let service: ConsoleService;
let browser: Browser;
let account: StoredAccount;
useConsole((world) => {
  ({ service, browser, account } = world);
});

const READ = `scope ${NOTES} read`;
const UNKNOWN = '0192f0a0-5b6c-7d3e-8f10-aabbccddeeff';

const keyOf = (id: string) => makeKey(service.node, { kind: 'user', id }, { name: 'Theirs' });
const keys = async () =>
  (await service.node.apiKeys.list({ owner: { kind: 'user', id: account.id }, limit: 100 }, actingFor(account.id)))
    .apiKeys;

/** What a redirect to the sign-in asks for. */
function signInOf({ status, headers }: { status: number; headers: Headers }) {
  const location = new URL(headers.get('location')!, service.issuer);
  return { status, path: location.pathname, ...Object.fromEntries(location.searchParams) };
}

/** Comes back from the sign-in that the browser was sent to. */
function comeBack(left: { headers: Headers }, answer: Record<string, string> = { code: 'a-code' }) {
  const { searchParams } = new URL(left.headers.get('location')!, service.issuer);
  return browser.get(`/account/signed-in?${new URLSearchParams({ ...answer, state: searchParams.get('state')! })}`);
}

describe('without a session no page shows or does anything: off to sign in, and back to', () => {
  test.each<[string, 'GET' | 'POST', string]>([
    [LIST, 'GET', LIST],
    [NEW, 'GET', NEW],
    [NEW, 'POST', NEW],
    ['/account/api-keys/value', 'GET', LIST],
    [`/account/api-keys/${UNKNOWN}`, 'GET', `/account/api-keys/${UNKNOWN}`],
    [`/account/api-keys/${UNKNOWN}`, 'POST', `/account/api-keys/${UNKNOWN}`],
    [`/account/api-keys/${UNKNOWN}/rotate`, 'GET', `/account/api-keys/${UNKNOWN}/rotate`],
    [`/account/api-keys/${UNKNOWN}/rotate`, 'POST', `/account/api-keys/${UNKNOWN}/rotate`],
    [`/account/api-keys/${UNKNOWN}/revoke`, 'GET', `/account/api-keys/${UNKNOWN}/revoke`],
    [`/account/api-keys/${UNKNOWN}/revoke`, 'POST', `/account/api-keys/${UNKNOWN}/revoke`],
  ])('%s by %s', async (path, method, back) => {
    const form = await browser.get(NEW);
    service.session = undefined;
    const fields = { csrf: csrfIn(form), key_name: 'Backup', [READ]: 'yes' };
    const left = method === 'GET' ? await browser.get(path) : await browser.post(path, fields);
    expect(signInOf(left)).toMatchObject({
      status: 303,
      path: '/authorize',
      client_id: 'account',
      response_type: 'code',
      scope: 'openid',
      redirect_uri: `${service.issuer}/account/signed-in`,
      code_challenge_method: 'S256',
    });
    expect(signInOf(left)).not.toHaveProperty('max_age');
    const returned = await comeBack(left);
    expect([returned.status, returned.headers.get('location')]).toEqual([303, back]);
  });
});

describe('coming back from a sign-in', () => {
  test('S-155 counts for the browser that left, once, and signs nobody in by itself', async () => {
    service.session = undefined;
    const left = await browser.get(NEW);
    const cookie = left.cookies.find((line) => line.startsWith('daemun_account='))!;
    expect(cookie).toMatch(/; httponly/i);
    expect(cookie).toMatch(/; samesite=lax/i);
    // Somebody else's answer leads no further than the list, which asks who is there.
    const foreign = await browser.get('/account/signed-in?code=stolen&state=of-somebody-else');
    expect(foreign.headers.get('location')).toBe(LIST);
    expect((await comeBack(left)).headers.get('location')).toBe(NEW);
    expect((await comeBack(left)).headers.get('location')).toBe(LIST);
    expect(signInOf(await browser.get(LIST)).path).toBe('/authorize');
  });

  test('each sign-in has a state and a challenge of its own', async () => {
    service.session = undefined;
    const one: Record<string, unknown> = signInOf(await browser.get(LIST));
    const other: Record<string, unknown> = signInOf(await browser.get(LIST));
    expect(one.state).toMatch(/^[\w-]{43}$/);
    expect(one.code_challenge).toMatch(/^[\w-]{43}$/);
    expect([one.state === other.state, one.code_challenge === other.code_challenge]).toEqual([false, false]);
  });

  test('without having signed in one is asked before one is sent there again', async () => {
    service.session = undefined;
    const left = await browser.get(NEW);
    const page = await comeBack(left, { error: 'access_denied', error_description: '<script>' });
    expect(page.status).toBe(200);
    expect(textOf(page)).toContain('You’re not signed in');
    expect(page.html).toContain(`href="${NEW}"`);
    expect(page.html).not.toContain('<script>');
  });

  test('whoever would rather not sign in once more is still signed in, and back at the list', async () => {
    const left = await browser.get(`/account/confirm?to=${encodeURIComponent(NEW)}`);
    const returned = await comeBack(left, { error: 'access_denied' });
    expect([returned.status, returned.headers.get('location')]).toEqual([303, LIST]);
  });

  test.each([
    'https://attacker.example/',
    '//attacker.example/account/api-keys',
    '/account/api-keys/../../logout',
    '/account/api-keys/new?x=1',
    '/account/api-keys/new\n',
    '/logout',
    '',
  ])('never leads to %j', async (to) => {
    const left = await browser.get(`/account/confirm?to=${encodeURIComponent(to)}`);
    expect(signInOf(left)).toMatchObject({ path: '/authorize', max_age: '300' });
    expect((await comeBack(left)).headers.get('location')).toBe(LIST);
    // Nor with a cookie that somebody planted.
    const state = 'a'.repeat(43);
    const planted = { Cookie: `daemun_account=${state}.${to}` };
    const response = await fetch(`${service.issuer}/account/signed-in?code=c&state=${state}`, {
      redirect: 'manual',
      headers: /^[\x20-\x7e]*$/.test(to) ? planted : {},
    });
    expect(response.headers.get('location')).toBe(LIST);
  });
});

describe('S-156 a sign-in of more than five minutes ago', () => {
  test.each(['new', 'change', 'rotate'])('is not enough to %s: the page says why and asks for one', async (step) => {
    const { id } = await keyOf(account.id);
    const path = { new: NEW, change: `/account/api-keys/${id}`, rotate: `/account/api-keys/${id}/rotate` }[step]!;
    const open = await browser.get(path);
    expect(open.html).toContain('<form');
    service.session = { ...service.session!, age: 301 };
    const page = await browser.get(path);
    expect(page.status).toBe(200);
    expect(page.html).not.toContain('<form');
    expect(textOf(page)).toContain('more than five minutes ago');
    // The form that was opened before does nothing now.
    const late = await submit(browser, path, { key_name: 'Late', [READ]: 'yes', overlap: '0' }, open);
    expect(late.status).toBe(403);
    expect(textOf(late)).toContain('Nothing was saved');
    expect(await keys()).toMatchObject([{ id, name: 'Theirs', status: 'active' }]);
    expect((await keys())[0]).not.toHaveProperty('rotatedTo');
    const confirm = /href="(\/account\/confirm[^"]*)"/.exec(late.html)![1]!;
    const left = await browser.get(confirm.replaceAll('&amp;', '&'));
    expect(signInOf(left)).toMatchObject({ path: '/authorize', max_age: '300' });
    expect((await comeBack(left)).headers.get('location')).toBe(path);
  });

  test('is enough to the second, and to look and to revoke however old it is', async () => {
    const { id } = await keyOf(account.id);
    service.session = { ...service.session!, age: 300 };
    expect((await browser.get(NEW)).html).toContain('<form');
    service.session = { ...service.session!, age: 1_000_000 };
    expect(textOf(await browser.get(LIST))).toContain('Theirs');
    expect((await submit(browser, `/account/api-keys/${id}/revoke`)).headers.get('location')).toBe(LIST);
    expect(await keys()).toMatchObject([{ id, status: 'revoked' }]);
  });
});

test('S-158 who is disabled while a form is sent makes nothing and is sent to sign in', async () => {
  const open = await browser.get(NEW);
  await service.node.accounts.disable(account.id, BY);
  const left = await submit(browser, NEW, { key_name: 'Late', [READ]: 'yes' }, open);
  expect(signInOf(left)).toMatchObject({ status: 303, path: '/authorize' });
  expect(await keys()).toEqual([]);
});

describe('S-173 somebody else’s key is as unknown as one that never was:', () => {
  test.each(['', '/rotate', '/revoke'])('/account/api-keys/{id}%s', async (step) => {
    const other = await keyOf((await createPerson(service.node)).id);
    const csrf = csrfIn(await browser.get(NEW));
    const fields = { csrf, key_name: 'Mine now', [READ]: 'yes', expiry: 'keep', overlap: '0' };
    const bodies: string[] = [];
    for (const id of [other.id, UNKNOWN, 'no-id', "' OR 1=1"]) {
      const path = `/account/api-keys/${encodeURIComponent(id)}${step}`;
      for (const page of [await browser.get(path), await browser.post(path, fields)]) {
        expect([id, page.status]).toEqual([id, 404]);
        bodies.push(
          textOf(page)
            .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '')
            .replace(id, ''),
        );
      }
    }
    expect(new Set(bodies).size).toBe(1);
    expect(await service.node.apiKeys.find(other.id, { as: 'administrator' })).toMatchObject({
      name: 'Theirs',
      status: 'active',
    });
  });
});

describe('S-170 a form that is not ours changes nothing:', () => {
  test.each<[string, (fields: Record<string, string>) => RequestInit & { without?: string }, number]>([
    ['without a token', (fields) => ({ body: new URLSearchParams({ ...fields, csrf: '' }) }), 403],
    [
      'with the token of another browser',
      (fields) => ({ body: new URLSearchParams({ ...fields, csrf: 'A'.repeat(43) }) }),
      403,
    ],
    [
      'from another site',
      (fields) => ({ body: new URLSearchParams(fields), headers: { 'Sec-Fetch-Site': 'cross-site' } }),
      403,
    ],
    [
      'from a sister site',
      (fields) => ({ body: new URLSearchParams(fields), headers: { 'Sec-Fetch-Site': 'same-site' } }),
      403,
    ],
    [
      'from another origin',
      (fields) => ({ body: new URLSearchParams(fields), headers: { Origin: 'https://attacker.example' } }),
      403,
    ],
    ['as JSON', (fields) => ({ body: JSON.stringify(fields), headers: { 'Content-Type': 'application/json' } }), 415],
    [
      'as plain text',
      (fields) => ({ body: new URLSearchParams(fields).toString(), headers: { 'Content-Type': 'text/plain' } }),
      415,
    ],
    [
      'with a field twice',
      (fields) => ({ body: new URLSearchParams([...Object.entries(fields), ['key_name', 'Two']]) }),
      400,
    ],
    [
      'larger than any form',
      (fields) => ({ body: new URLSearchParams({ ...fields, description: 'x'.repeat(70_000) }) }),
      413,
    ],
    ['by PUT', (fields) => ({ method: 'PUT', body: new URLSearchParams(fields) }), 405],
  ])('%s', async (_, send, status) => {
    const csrf = csrfIn(await browser.get(NEW));
    const page = await browser.send(NEW, {
      method: 'POST',
      ...send({ csrf, key_name: 'Backup', [READ]: 'yes', expiry: '604800' }),
    });
    expect(page.status).toBe(status);
    expect(await keys()).toEqual([]);
  });

  test('and one that is ours does', async () => {
    expect((await submit(browser, NEW, { key_name: 'Backup', [READ]: 'yes' })).status).toBe(303);
    expect(await keys()).toHaveLength(1);
  });
});

describe('the pages', () => {
  test('are opened so often by one person, who is then told when to come again', async () => {
    service.decision = { allowed: false, retryAfter: 42, isFirst: true };
    const page = await browser.get(LIST);
    service.decision = { allowed: true };
    expect([page.status, page.headers.get('retry-after')]).toEqual([429, '42']);
    expect((await browser.get(LIST)).status).toBe(200);
  });

  test('S-024, S-168 cannot be framed, run no script but ours, and are kept by nobody', async () => {
    const { id } = await keyOf(account.id);
    const pages: Page[] = [];
    for (const path of [LIST, NEW, ...['', '/rotate', '/revoke'].map((step) => `/account/api-keys/${id}${step}`)]) {
      pages.push(await browser.get(path));
    }
    await submit(browser, NEW, { key_name: 'Backup', [READ]: 'yes' });
    pages.push(await browser.get('/account/api-keys/value'));
    for (const { status, headers, html } of pages) {
      expect(status).toBe(200);
      const policy = headers.get('content-security-policy')!;
      for (const part of ["frame-ancestors 'none'", "script-src 'self'", "form-action 'self'", "default-src 'none'"]) {
        expect(policy.split('; ')).toContain(part);
      }
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(html).not.toMatch(/<style|<script(?! src="\/assets\/)|\son[a-z]+=/);
    }
  });

  test.each([
    '/account/api-keys/',
    '/Account/api-keys',
    '/account//api-keys',
    '/account/./api-keys',
    '/account/%61pi-keys/new/..',
    '/account;x/api-keys',
    '/account%2fapi-keys',
    '/account/api-keys/new/',
  ])('S-171 have one spelling: not %s', async (path) => {
    // By hand: fetch would tidy it up.
    const { port } = new URL(service.issuer);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      request({ host: '127.0.0.1', port, path, headers: { accept: 'text/html' } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });
    expect(status).toBe(404);
  });
});
