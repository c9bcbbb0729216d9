import { connect as connectSocket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createBrowser } from '../support/flow-browser.ts';
import { authorizationRequest, basic, connect, obtainCode, post, signIn } from '../support/flow-client.ts';
import { throughProxy } from '../support/flow-https.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';

const grant_types = ['authorization_code', 'refresh_token', 'client_credentials'];

let flow: Flow;
let client: { id: string; secret: string };
beforeAll(async () => {
  flow = await startFlow();
  client = await flow.register({ metadata: { grant_types } });
});
afterAll(() => flow.close());

const ENDPOINTS = ['/token', '/introspect', '/revoke', '/par', '/userinfo', '/authorize', '/logout', '/logout/confirm'];

/** Sends bytes as they are; libraries would refuse to. */
function raw(text: string | Buffer): Promise<{ status: number; text: string }> {
  const { hostname, port } = new URL(flow.origin);
  return new Promise((resolve, reject) => {
    const socket = connectSocket(Number(port), hostname, () => socket.write(text));
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
    });
    socket.on('error', reject);
    socket.on('close', () => resolve({ status: Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0), text: answer }));
  });
}

describe.each(ENDPOINTS)('%s', (path) => {
  const url = () => `${flow.issuer}${path}`;

  test('answers a body that is too large by 413', async () => {
    const answer = await post(url(), `x=${'a'.repeat(64 * 1024)}`, basic(client));
    expect(answer.status).toBe(413);
    const { host } = new URL(flow.origin);
    const chunk = `${(70_000).toString(16)}\r\n${'a'.repeat(70_000)}\r\n0\r\n\r\n`;
    const chunked = await raw(
      `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}`,
    );
    expect(chunked.status).toBe(413);
  });

  test.each([
    ['application/json', '{"grant_type":"client_credentials"}'],
    ['application/json', '{'],
    ['multipart/form-data; boundary=x', '--x--'],
    ['text/plain', 'grant_type=client_credentials'],
    ['application/x-www-form-urlencoded; charset=utf-16', 'grant_type=client_credentials'],
    ['application/x-www-form-urlencoded; charset=nonsense', 'grant_type=client_credentials'],
    ['application/x-www-form-urlencoded; charset="utf-7"', 'x=1'],
    ['nonsense', 'x'],
    ['', 'x'],
  ])('refuses a body of type %j', async (type, body) => {
    const answer = await post(url(), body, { ...basic(client), 'content-type': type });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
  });

  test.each(['PUT', 'DELETE', 'PATCH', 'TRACE', 'PROPFIND'])('does not know %s', async (method) => {
    const { host } = new URL(flow.origin);
    const { status } = await raw(`${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    expect([404, 405]).toContain(status);
  });

  test('refuses bodies that claim what they are not', async () => {
    const { host } = new URL(flow.origin);
    const head = `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n`;
    for (const rest of [
      'Content-Length: -1\r\n\r\n',
      'Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef',
      'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      'Transfer-Encoding: chunked\r\n\r\nZZ\r\n',
    ]) {
      const { status } = await raw(head + rest);
      expect(status).toBeLessThan(500);
    }
  });
});

describe('rubbish in parameters never causes a 5xx', () => {
  const RUBBISH = [
    '\u0000',
    'a\u0000b',
    '\ud800',
    '\udfff\ud800',
    '\u{10ffff}',
    '\r\nSet-Cookie: x=y',
    '\u202e',
    "'; DROP TABLE clients; --",
    '{{7*7}}<%= 7*7 %>#{7*7}',
    '../../../../etc/passwd',
    '__proto__',
    'constructor',
    'null',
    '[object Object]',
    '-1',
    '1e309',
    'NaN',
    '9'.repeat(400),
    '%',
    '%zz',
    '%c0%ae',
    '{"a":1}',
    '[]',
    'a'.repeat(3000),
    'http://127.0.0.1:1/',
    ' ',
    '\t',
    'openid\u00a0profile',
  ];

  const PARAMETERS = [
    'client_id',
    'redirect_uri',
    'response_type',
    'response_mode',
    'scope',
    'state',
    'nonce',
    'prompt',
    'max_age',
    'display',
    'ui_locales',
    'claims_locales',
    'login_hint',
    'id_token_hint',
    'acr_values',
    'claims',
    'request',
    'request_uri',
    'registration',
    'resource',
    'code_challenge',
    'code_challenge_method',
    'dpop_jkt',
  ];

  test.each(PARAMETERS)('authorization: %s', async (name) => {
    const config = await connect(flow, client);
    const { url } = await authorizationRequest(config);
    const browser = createBrowser(flow.origin);
    await Promise.all(
      RUBBISH.map(async (value) => {
        const query = new URLSearchParams(url.search);
        query.set(name, value);
        const once = await browser.request(`/authorize?${query}`);
        const twice = await browser.request(`/authorize?${query}&${name}=1`);
        const form = await browser.request('/authorize', { method: 'POST', body: query });
        for (const response of [once, twice, form]) {
          expect([value, response.status < 500]).toEqual([value, true]);
          expect(response.headers.get('set-cookie') ?? '').not.toContain('x=y');
        }
      }),
    );
  });

  test.each([
    'grant_type',
    'code',
    'redirect_uri',
    'code_verifier',
    'client_id',
    'client_secret',
    'client_assertion',
    'client_assertion_type',
    'refresh_token',
    'scope',
    'resource',
    'token',
    'token_type_hint',
    'access_token',
    'request',
  ])('endpoints for programs: %s', async (name) => {
    const person = await flow.people.create();
    const { form } = await obtainCode(flow, client, person.id);
    const forms: [string, Record<string, string>][] = [
      ['/token', form],
      ['/token', { grant_type: 'client_credentials' }],
      ['/token', { grant_type: 'refresh_token', refresh_token: 'x' }],
      ['/introspect', { token: 'x' }],
      ['/revoke', { token: 'x' }],
      ['/par', { response_type: 'code', client_id: client.id }],
      ['/userinfo', { access_token: 'x' }],
    ];
    await Promise.all(
      RUBBISH.map(async (value, index) => {
        // Each value meets two of the endpoints; in sum every endpoint meets every kind.
        for (const [path, fields] of [forms[index % forms.length]!, forms[(index + 3) % forms.length]!]) {
          const answer = await post(
            `${flow.issuer}${path}`,
            { ...fields, [name]: value },
            index % 5 ? basic(client) : {},
          );
          expect([path, value, answer.status < 500]).toEqual([path, value, true]);
          expect(answer.headers.get('content-type') ?? '').not.toContain('html');
        }
      }),
    );
  });

  test.each([
    'authorization',
    'dpop',
    'origin',
    'cookie',
    'accept',
    'accept-language',
    'user-agent',
    'referer',
    'content-type',
    'if-none-match',
  ])('header: %s', async (name) => {
    const person = await flow.people.create();
    const { tokens } = await signIn(flow, await connect(flow, client), person.id);
    for (const value of [
      '\u00ff\u00fe',
      'a'.repeat(10_000),
      ',,,;;;',
      '"',
      'Basic',
      'DPoP x',
      'Bearer \u00e9',
      '*/*;q=x',
      'x y z',
    ]) {
      for (const [path, body] of [
        ['/token', 'grant_type=client_credentials'],
        ['/introspect', `token=${tokens.access_token}`],
        ['/userinfo', `access_token=${tokens.access_token}`],
        ['/authorize', 'client_id=x'],
      ]) {
        const { status } = await throughProxy(flow, path!, {
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded', ...basic(client), [name]: value },
          body,
        });
        expect([path, value.slice(0, 20), status < 500]).toEqual([path, value.slice(0, 20), true]);
      }
    }
  });

  test('invalid UTF-8, on its own and percent-encoded', async () => {
    const { host } = new URL(flow.origin);
    const head = (length: number) =>
      `POST /token HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${length}\r\n\r\n`;
    for (const bytes of [
      Buffer.from([0x63, 0x3d, 0xff, 0xfe]),
      Buffer.from([0xed, 0xa0, 0x80]),
      Buffer.from('client_id=%ff%fe%ed%a0%80'),
    ]) {
      const { status } = await raw(Buffer.concat([Buffer.from(head(bytes.length)), bytes]));
      expect([400, 401]).toContain(status);
    }
    const { status } = await raw(
      `GET /authorize?client_id=%ff%fe&state=%ed%a0%80 HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
    );
    expect(status).toBe(400);
  });

  test('thousands of parameters', async () => {
    const many = Array.from({ length: 8000 }, (_, index) => `p${index}=1`).join('&');
    expect((await post(`${flow.issuer}/token`, many.slice(0, 50_000), basic(client))).status).toBe(400);
    expect((await post(`${flow.issuer}/token`, 'scope=a&'.repeat(5000), basic(client))).status).toBe(400);
  });

  test('headers that are too large are refused before anything else', async () => {
    const { host } = new URL(flow.origin);
    const { status } = await raw(
      `GET /authorize HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nCookie: ${'a=b; '.repeat(10_000)}\r\n\r\n`,
    );
    expect(status).toBe(431);
  });
});

test('S-172 contradictory parameters are refused, not resolved', async () => {
  const config = await connect(flow, client);
  const other = await flow.register({});
  const { url } = await authorizationRequest(config);
  for (const [name, value] of [
    ['prompt', 'none consent'],
    ['code_challenge_method', 'plain'],
    ['response_type', 'code token'],
  ] as const) {
    const query = new URLSearchParams(url.search);
    query.set(name, value);
    const { url: end } = await createBrowser(flow.origin).open(`/authorize?${query}`);
    expect(end.searchParams.get('error') ?? new URLSearchParams(end.hash.slice(1)).get('error')).toMatch(
      /^(invalid_request|unsupported_response_type)$/,
    );
  }
  const mismatch = await post(
    `${flow.issuer}/token`,
    { grant_type: 'client_credentials', client_id: other.id },
    basic(client),
  );
  expect([mismatch.status, mismatch.json.error]).toEqual([400, 'invalid_request']);
});

test('S-170 no endpoint for programs can be used by a form of another site through cookies', async () => {
  const person = await flow.people.create();
  const { browser } = await signIn(flow, await connect(flow, client), person.id);
  for (const path of ['/token', '/introspect', '/revoke', '/par', '/userinfo']) {
    const visit = await browser.submit(path, { token: 'x', grant_type: 'client_credentials', client_id: client.id });
    expect(visit.response!.status).toBeGreaterThanOrEqual(400);
    expect(visit.response!.headers.get('content-type')).toContain('json');
  }
});

test('S-172 a parameter that is there twice is refused by every endpoint for programs', async () => {
  const forms: [string, Record<string, string>][] = [
    ['/token', { grant_type: 'client_credentials' }],
    ['/introspect', { token: 'x', token_type_hint: 'access_token' }],
    ['/revoke', { token: 'x', token_type_hint: 'access_token' }],
    [
      '/par',
      {
        client_id: client.id,
        response_type: 'code',
        code_challenge: 'a'.repeat(43),
        code_challenge_method: 'S256',
        scope: 'openid',
      },
    ],
  ];
  for (const [path, fields] of forms) {
    const once = new URLSearchParams(fields);
    expect([path, (await post(`${flow.issuer}${path}`, String(once), basic(client))).status < 300]).toEqual([
      path,
      true,
    ]);
    for (const name of Object.keys(fields)) {
      const twice = `${once}&${new URLSearchParams({ [name]: fields[name]! })}`;
      const refused = await post(`${flow.issuer}${path}`, twice, basic(client));
      expect([path, name, refused.status, refused.json.error]).toEqual([path, name, 400, 'invalid_request']);
    }
  }
});
