import { setTimeout as pause } from 'node:timers/promises';
import { createVerifier } from '@daemun/verify';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import type { Browser, Page } from 'playwright-core';
import { API_KEY_TOKEN_TYPE } from '../../src/provider/grants/exchange-request.ts';
import { basic, connect } from '../support/flow-client.ts';
import { throughProxy } from '../support/flow-https.ts';
import { describeInBrowser, launchBrowser, openPage } from './chromium.ts';
import { PERSON, type RunningNodes, startNodes } from './running-nodes.ts';

const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
/** What the issue allows between a revocation and the last refusal. */
const SECOND = 1000;

describeInBrowser('API keys', () => {
  let browser: Browser;
  let running: RunningNodes;

  beforeAll(async () => {
    [browser, running] = await Promise.all([launchBrowser(), startNodes()]);
    expect(running.nodes).toHaveLength(process.env.TEST_POSTGRES_URL ? 2 : 1);
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    await running?.close();
  });

  async function signIn(page: Page): Promise<void> {
    await page.goto(`${running.issuer}/account/api-keys`);
    await page.fill('[name=email]', PERSON.userName);
    await page.fill('[name=password]', PERSON.password);
    await Promise.all([page.waitForURL('**/account/api-keys'), page.click('form.form [type=submit]')]);
  }

  /** From the list to the value, as somebody with a mouse. */
  async function makeKey(page: Page, name: string): Promise<string> {
    await page.click('a >> text="Make an API key"');
    await page.fill('[name=key_name]', name);
    await page.check(`[name="scope ${running.api} sessions:read"]`);
    await page.check(`[name="scope ${running.issuer}/api/v1 profile:read"]`);
    await Promise.all([page.waitForURL('**/account/api-keys/value'), page.click('button >> text="Make key"')]);
    return page.inputValue('#value');
  }

  const mySessions = (credential: string) =>
    fetch(`${running.api}/user/${running.personId}/sessions`, { headers: { authorization: `Bearer ${credential}` } });

  /** How one node answers to the key in every way of using one. */
  async function asked(node: RunningNodes['nodes'][number], key: string) {
    const post = (path: string, form: Record<string, string>, headers: Record<string, string> = {}) =>
      throughProxy(node, path, {
        method: 'POST',
        headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body: new URLSearchParams(form).toString(),
      });
    const [introspection, exchange, own] = await Promise.all([
      post('/introspect', { token: key }, basic(running.client)),
      post('/token', {
        grant_type: TOKEN_EXCHANGE,
        client_id: 'api-keys',
        subject_token: key,
        subject_token_type: API_KEY_TOKEN_TYPE,
        resource: running.api,
      }),
      throughProxy(node, '/api/v1/me', { headers: { accept: 'application/json', authorization: `Bearer ${key}` } }),
    ]);
    return {
      active: JSON.parse(introspection.text).active,
      exchange: [exchange.status, JSON.parse(exchange.text).error],
      own: own.status,
    };
  }

  test('one is made on a page, used at an API, exchanged, checked offline, revoked on the page, and refused everywhere within a second', async () => {
    const { page, context, complaints } = await openPage(browser);
    await signIn(page);
    const key = await makeKey(page, 'Backup');
    expect(key).toMatch(/^sk-[0-9A-Za-z]{36}$/);

    // At an API that asks about it, and at every node.
    const answer = await mySessions(key);
    expect([answer.status, await answer.json()]).toEqual([200, expect.anything()]);
    for (const node of running.nodes) {
      expect(await asked(node, key)).toEqual({ active: true, exchange: [200, undefined], own: 200 });
    }

    // For a token that anybody can check without asking.
    const config = await connect(running, { id: 'api-keys' });
    const tokens = await oidc.genericGrantRequest(config, TOKEN_EXCHANGE, {
      subject_token: key,
      subject_token_type: API_KEY_TOKEN_TYPE,
      resource: running.api,
    });
    expect(tokens).toMatchObject({ issued_token_type: 'urn:ietf:params:oauth:token-type:access_token' });
    const verifier = createVerifier({ issuer: running.issuer, audience: running.api });
    const caller = await verifier.verify(tokens.access_token, { scopes: ['sessions:read'] });
    expect(caller).toMatchObject({ subject: running.personId, clientId: 'api-keys' });
    expect((await mySessions(tokens.access_token)).status).toBe(200);

    await page.click('a >> text="I have copied it"');
    expect(await page.innerText('.api-key h2')).toBe('Backup');
    await page.click('a:has-text("Revoke")');
    await Promise.all([page.waitForURL('**/account/api-keys'), page.click('button >> text="Revoke key"')]);
    const revokedAt = performance.now();
    expect(await page.innerText('[role=status]')).toContain('no longer works anywhere');

    await pause(Math.max(0, SECOND - (performance.now() - revokedAt)));
    const [refused, ...nodes] = await Promise.all([mySessions(key), ...running.nodes.map((node) => asked(node, key))]);
    expect(refused.status).toBe(401);
    for (const seen of nodes) expect(seen).toEqual({ active: false, exchange: [400, 'invalid_grant'], own: 401 });
    expect(complaints).toEqual([]);
    await context.close();
  }, 60_000);

  test('its value can be copied, and neither a reload nor the way back shows it again', async () => {
    const { page, context } = await openPage(browser);
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: running.issuer });
    await signIn(page);
    const key = await makeKey(page, 'Copied');
    await page.click('[data-copy=value]');
    await page.waitForSelector('text="Copied"');
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(key);
    await page.reload();
    expect(new URL(page.url()).pathname).toBe('/account/api-keys');
    expect(await page.content()).not.toContain(key);
    await page.goBack();
    expect(await page.content()).not.toContain(key);
    // The form before it is empty, and nothing was made a second time.
    await page.goto(`${running.issuer}/account/api-keys`);
    expect(await page.locator('.api-key h2 >> text="Copied"').count()).toBe(1);
    await context.close();
  }, 60_000);

  test('without script, by keyboard alone, a key is made, rotated and revoked', async () => {
    const { page, context } = await openPage(browser, { javaScriptEnabled: false });
    await signIn(page);
    await page.focus('a:has-text("Make an API key")');
    await page.keyboard.press('Enter');
    // The name has the focus; then the note, the two resource servers and their boxes.
    await page.waitForURL('**/new');
    await page.waitForSelector('input:focus');
    await page.keyboard.type('By keyboard');
    await tabTo(page, `[name="scope ${running.api} sessions:write"]`);
    await page.keyboard.press('Space');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/value');
    const key = await page.inputValue('#value');
    expect((await asked(running.nodes[0]!, key)).active).toBe(true);
    expect(await page.locator('[data-copy]:visible').count()).toBe(0);
    await tabTo(page, 'a:has-text("I have copied it")');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/account/api-keys');
    await page.focus('.api-key:has-text("By keyboard") a:has-text("Rotate")');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/rotate');
    await tabTo(page, '[name=overlap]:checked');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('ArrowUp');
    await tabTo(page, 'button[type=submit]');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/value');
    const next = await page.inputValue('#value');
    expect((await asked(running.nodes[0]!, next)).active).toBe(true);
    expect((await asked(running.nodes[0]!, key)).active).toBe(false);
    await page.goto(`${running.issuer}/account/api-keys`);
    await page.focus('.api-key:has-text("By keyboard") a:has-text("Revoke")');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/revoke');
    await tabTo(page, 'button[type=submit]');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/account/api-keys');
    expect((await asked(running.nodes[0]!, next)).active).toBe(false);
    await context.close();
  }, 60_000);

  test('what is wrong is shown at its field, which has the focus, and signing out ends the page', async () => {
    const { page, context } = await openPage(browser, { locale: 'ko' });
    await signIn(page);
    await page.goto(`${running.issuer}/account/api-keys/new`);
    await page.fill('[name=description]', '매일 밤');
    await page.click('form.form [type=submit]');
    await page.waitForSelector('[role=alert]');
    expect(await page.locator('[name=key_name]:focus').count()).toBe(1);
    expect(await page.innerText('#key_name-problem')).toContain('필수 입력 항목이에요.');
    expect(await page.inputValue('[name=description]')).toBe('매일 밤');
    await page.click('a >> text="로그아웃"');
    await page.click('button[name=logout]');
    await page.waitForSelector('text="로그아웃했어요"');
    await page.goto(`${running.issuer}/account/api-keys`);
    expect(await page.locator('[name=password]').count()).toBe(1);
    // Whoever turns back is asked before being sent there again.
    await page.click('button:has-text("앱으로 돌아가기")');
    expect(await page.innerText('h1')).toBe('로그인하지 않았어요');
    await context.close();
  }, 60_000);
});

/** Presses Tab until it is there. */
async function tabTo(page: Page, selector: string): Promise<void> {
  for (let steps = 0; steps < 60; steps++) {
    if ((await page.locator(`${selector}`).and(page.locator(':focus')).count()) > 0) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`Tab does not lead to ${selector}`);
}
