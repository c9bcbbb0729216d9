import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createBrowser } from '../support/flow-browser.ts';
import { answerPages, authorizationRequest, basic, connect, obtainCode, pageOf, post } from '../support/flow-client.ts';
import { CALLBACK, type Flow, startFlow } from '../support/flow-server.ts';

let flow: Flow;
beforeAll(async () => {
  flow = await startFlow();
});
afterAll(() => flow.close());

/** Where an unauthenticated browser ends up: at a page of ours, with its status, or elsewhere. */
async function outcome(clientId: string, parameters: Record<string, string | null>) {
  const config = await connect(flow, { id: clientId, secret: 'x' });
  const { url } = await authorizationRequest(config, parameters);
  const visit = await createBrowser(flow.origin).open(url.href);
  return { visit, page: pageOf(visit), status: visit.response?.status };
}

describe('S-001 S-003 an address that is not registered, letter by letter, gets an error page (ensure-registered-redirect-uri)', () => {
  let clientId: string;
  beforeAll(async () => {
    clientId = (
      await flow.register({ metadata: { redirect_uris: [CALLBACK, 'https://app.example.com/other?fixed=1'] } })
    ).id;
  });

  test.each([
    'https://app.example.com/callback/',
    'https://app.example.com/Callback',
    'https://APP.example.com/callback',
    'HTTPS://app.example.com/callback',
    'https://app.example.com:443/callback',
    'https://app.example.com/callback?x=1',
    'https://app.example.com/callback#x',
    'https://app.example.com/./callback',
    'https://app.example.com/x/../callback',
    'https://app.example.com/%63allback',
    'https://app.example.com//callback',
    'https://app.example.com/callback\\',
    'https://app.example.com/callback%00',
    'https://app.example.com/other',
    'https://app.example.com/other?fixed=2',
    'https://app.example.com/other?fixed=1&added=1',
    'https://user@app.example.com/callback',
    'https://app.example.com.evil.example/callback',
    'http://app.example.com/callback',
    'javascript:alert(1)',
    '//app.example.com/callback',
    '/callback',
    'not a uri',
  ])('%s', async (redirect_uri) => {
    const { visit, page, status } = await outcome(clientId, { redirect_uri });
    expect(visit.url.origin).toBe(flow.origin);
    expect(status).toBe(400);
    expect(page.screen).toBe('error');
    expect(visit.response!.headers.get('location')).toBeNull();
  });

  test('a registered query is kept and answered into (redirect-uri-query-OK)', async () => {
    const person = await flow.people.create();
    const config = await connect(flow, { id: clientId });
    const browser = createBrowser(flow.origin);
    const { url } = await authorizationRequest(config, { redirect_uri: 'https://app.example.com/other?fixed=1' });
    const visit = await answerPages(await browser.open(url.href), browser, person.id);
    expect(visit.url.pathname).toBe('/other');
    expect(visit.url.searchParams.get('fixed')).toBe('1');
    expect(visit.url.searchParams.has('code')).toBe(true);
  });

  test('with two registered, one must be named (ensure-redirect-uri-in-authorization-request)', async () => {
    const { visit, status } = await outcome(clientId, { redirect_uri: null });
    expect([visit.url.origin, status]).toEqual([flow.origin, 400]);
  });

  test('an error elsewhere in the request does not open the way either', async () => {
    const others: Record<string, string>[] = [
      { response_type: 'token' },
      { scope: 'openid\n' },
      { prompt: 'dance' },
      { request: 'x' },
    ];
    for (const wrong of others) {
      const { visit, status } = await outcome(clientId, { redirect_uri: 'https://evil.example/', ...wrong });
      expect([visit.url.origin, status]).toEqual([flow.origin, 400]);
    }
  });
});

describe('S-003 a client that is not known gets an error page', () => {
  test.each([
    'nobody',
    'a'.repeat(3000),
    "' OR 1=1 --",
    '../../etc/passwd',
    '__proto__',
    'constructor',
    '클라이언트',
    '\u0001',
    '\ud800',
  ])('%j', async (clientId) => {
    const { visit, page, status } = await outcome(clientId, {});
    expect([visit.url.origin, status, page.screen]).toEqual([flow.origin, 400, 'error']);
  });

  test('S-047 and so does one that is disabled', async () => {
    const { id } = await flow.register({});
    await flow.clients.disable(id, {});
    const { visit, page, status } = await outcome(id, {});
    expect([visit.url.origin, status, page.error]).toEqual([flow.origin, 400, 'invalid_client']);
  });

  test('twice in one request, and none at all', async () => {
    const { id } = await flow.register({});
    for (const query of [`client_id=${id}&client_id=${id}&response_type=code`, 'response_type=code', '']) {
      const visit = await createBrowser(flow.origin).open(`/authorize?${query}`);
      expect([visit.url.origin, visit.response!.status]).toEqual([flow.origin, 400]);
    }
  });
});

test('S-005 every protocol parameter that is sent twice is refused', async () => {
  const config = await connect(flow, await flow.register({}));
  const { url } = await authorizationRequest(config, { prompt: 'login', display: 'page', max_age: '5' });
  for (const [name, value] of [...url.searchParams]) {
    const twice = new URL(url);
    twice.searchParams.append(name, value);
    const visit = await createBrowser(flow.origin).open(twice.href);
    const said = visit.url.origin === flow.origin ? pageOf(visit).error : visit.url.searchParams.get('error');
    expect([name, said]).toEqual([name, 'invalid_request']);
  }
});

describe('S-002 a native client may choose the port of its loopback address, and nothing else of it', () => {
  let clientId: string;
  beforeAll(async () => {
    clientId = (
      await flow.register({
        metadata: {
          redirect_uris: [
            'http://127.0.0.1/cb',
            'http://[::1]:1234/cb',
            'http://localhost:8080/cb',
            'com.example.app:/cb',
          ],
          token_endpoint_auth_method: 'none',
        },
      })
    ).id;
  });

  test.each([
    'http://127.0.0.1:49152/cb',
    'http://127.0.0.1/cb',
    'http://[::1]:50000/cb',
    'http://localhost:3333/cb',
    'com.example.app:/cb',
  ])('%s is taken', async (redirect_uri) => {
    expect((await outcome(clientId, { redirect_uri })).page.prompt).toBe('login');
  });

  test.each([
    'http://127.0.0.1:49152/other',
    'http://127.0.0.2:49152/cb',
    'http://127.0.0.1:49152/cb?x=1',
    'https://127.0.0.1:49152/cb',
    'http://127.0.0.1:port/cb',
    'http://127.0.0.1:49152@evil.example/cb',
    'http://localhost.evil.example:8080/cb',
    'http://LOCALHOST:3333/cb',
    'com.example.app:/cb2',
    'com.example.app://cb',
  ])('%s is refused', async (redirect_uri) => {
    const { visit, status } = await outcome(clientId, { redirect_uri });
    expect([visit.url.origin, status]).toEqual([flow.origin, 400]);
  });

  test('the port of a client that is not native stands', async () => {
    const web = await flow.register({ metadata: { redirect_uris: ['http://localhost:8080/cb'] } });
    const { status } = await outcome(web.id, { redirect_uri: 'http://localhost:3333/cb' });
    expect(status).toBe(400);
  });
});

test('S-033 the address of the token call must be the one of the authorization', async () => {
  const person = await flow.people.create();
  const redirect_uris = [CALLBACK, 'https://app.example.com/second'];
  const client = await flow.register({ metadata: { redirect_uris } });
  for (const redirect_uri of [redirect_uris[1]!, `${CALLBACK}/`, 'https://evil.example/']) {
    const { form } = await obtainCode(flow, client, person.id);
    const answer = await post(`${flow.issuer}/token`, { ...form, redirect_uri }, basic(client));
    expect([answer.status, answer.json.error]).toEqual([400, 'invalid_grant']);
  }
});

test('S-010 a client gets only the response modes it registered', async () => {
  const { id } = await flow.register({ metadata: { response_modes: ['form_post'] } });
  const { visit } = await outcome(id, { response_mode: 'query' });
  expect(visit.url.searchParams.get('error') ?? pageOf(visit).error).toBe('invalid_request');
});

test('S-007 S-106 nothing of a request is reflected into an error page but the words of the specification', async () => {
  const { visit } = await outcome('<b>nobody</b>', {
    redirect_uri: '<b>evil</b>',
    state: '<b>state</b>',
    foo: '<b>foo</b>',
  });
  expect(visit.text).not.toContain('<b>');
});
