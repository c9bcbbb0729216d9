import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import { createBrowser } from '../support/flow-browser.ts';
import { answerPages, authorizationRequest, connect, pageOf } from '../support/flow-client.ts';
import { CALLBACK, type Flow, startFlow } from '../support/flow-server.ts';

let flow: Flow;
let config: oidc.Configuration;
beforeAll(async () => {
  flow = await startFlow();
  config = await connect(flow, await flow.register({}));
});
afterAll(() => flow.close());

const fieldsOf = (html: string) =>
  Object.fromEntries(
    [...html.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"\/>/g)].map(([, name, value]) => [
      name!,
      value!
        .replaceAll('&#39;', "'")
        .replaceAll('&quot;', '"')
        .replaceAll('&lt;', '<')
        .replaceAll('&gt;', '>')
        .replaceAll('&amp;', '&'),
    ]),
  );

test('the answer is a form to the client, which is worth a sign-in (formpost plans)', async () => {
  const person = await flow.people.create();
  const browser = createBrowser(flow.origin);
  const state = `"><script>alert('1')</script>&`;
  const { url, verifier, nonce } = await authorizationRequest(config, { response_mode: 'form_post', state });
  const page = await answerPages(await browser.open(url.href), browser, person.id);
  expect(page.response!.status).toBe(200);
  expect(page.text).toContain(`<form method="post" action="${CALLBACK}">`);
  expect(page.text).not.toContain("alert('1')");
  const fields = fieldsOf(page.text);
  expect(fields).toMatchObject({ iss: flow.issuer, state });
  const request = new Request(CALLBACK, { method: 'POST', body: new URLSearchParams(fields) });
  const tokens = await oidc.authorizationCodeGrant(config, request, {
    pkceCodeVerifier: verifier,
    expectedState: state,
    expectedNonce: nonce,
  });
  expect(tokens.claims()!.sub).toBe(person.id);
});

test('S-168 the one script of that page is allowed by its hash, and nothing else is', async () => {
  const browser = createBrowser(flow.origin);
  const { url } = await authorizationRequest(config, { response_mode: 'form_post', prompt: 'none' });
  const page = await browser.open(url.href);
  expect(fieldsOf(page.text)).toMatchObject({ error: 'login_required', iss: flow.issuer });
  const [, script] = /<script>([\s\S]*?)<\/script>/.exec(page.text)!;
  const hash = createHash('sha256').update(script!).digest('base64');
  const policy = page.response!.headers.get('content-security-policy')!;
  expect(policy).toContain(`script-src 'sha256-${hash}';`);
  expect(policy).toContain(`default-src 'none'`);
  expect(policy).toContain(`frame-ancestors 'none'`);
  expect(policy).not.toContain('unsafe-inline');
  // Browsers hold the client's own redirects against it.
  expect(policy).not.toContain('form-action');
  // Without script there is a button.
  expect(page.text).toMatch(/<noscript>[\s\S]*<button[^>]*type="submit"/);
  expect(page.response!.headers.get('cache-control')).toBe('no-store');
  expect(page.response!.headers.get('referrer-policy')).toBe('no-referrer');
});

test('S-003 an error for an address that is not registered is not posted there', async () => {
  const { url } = await authorizationRequest(config, {
    response_mode: 'form_post',
    redirect_uri: 'https://evil.example/',
  });
  const page = await createBrowser(flow.origin).open(url.href);
  expect(pageOf(page).screen).toBe('error');
  expect(page.text).not.toContain('<form');
});

test('the fragment works as a response mode too, and is nothing a server sees', async () => {
  const person = await flow.people.create();
  const browser = createBrowser(flow.origin);
  const { url } = await authorizationRequest(config, { response_mode: 'fragment' });
  const { url: end } = await answerPages(await browser.open(url.href), browser, person.id);
  expect(end.search).toBe('');
  expect(new URLSearchParams(end.hash.slice(1)).get('code')).toEqual(expect.any(String));
});
