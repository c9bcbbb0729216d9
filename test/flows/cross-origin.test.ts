import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { basic, connect, obtainCode, post, signIn } from '../support/flow-client.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';

const APP = 'https://app.example.com';

let flow: Flow;
beforeAll(async () => {
  flow = await startFlow();
});
afterAll(() => flow.close());

test('a browser application may call from where it redirects to, and from nowhere else', async () => {
  const person = await flow.people.create();
  const { id } = await flow.register({
    metadata: { token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'] },
  });
  const { form } = await obtainCode(flow, { id }, person.id);
  const call = (path: string, fields: Record<string, string>, origin: string) =>
    post(`${flow.issuer}${path}`, { client_id: id, ...fields }, { origin });

  for (const origin of ['https://evil.example', 'http://app.example.com', `${APP}:8443`, 'null']) {
    const refused = await call('/token', form, origin);
    expect([origin, refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([origin, 400, null]);
  }
  const answer = await call('/token', form, APP);
  expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([200, APP]);
  expect(answer.headers.get('access-control-allow-credentials')).toBeNull();
  expect(answer.headers.get('vary')).toContain('Origin');

  const userinfo = (origin: string) =>
    fetch(`${flow.issuer}/userinfo`, { headers: { origin, authorization: `Bearer ${answer.json.access_token}` } });
  expect((await userinfo(APP)).headers.get('access-control-allow-origin')).toBe(APP);
  const foreign = await userinfo('https://evil.example');
  expect([foreign.status, foreign.headers.get('access-control-allow-origin')]).toEqual([400, null]);

  const revoked = await call('/revoke', { token: answer.json.refresh_token }, APP);
  expect([revoked.status, revoked.headers.get('access-control-allow-origin')]).toEqual([200, APP]);
});

test('a client with a private-use scheme has no web origin, not even null', async () => {
  const person = await flow.people.create();
  const redirect_uri = 'com.example.app:/callback';
  const { id } = await flow.register({
    metadata: { redirect_uris: [redirect_uri], token_endpoint_auth_method: 'none' },
  });
  const { form } = await obtainCode(flow, { id }, person.id, { parameters: { redirect_uri } });
  const answer = await post(`${flow.issuer}/token`, { client_id: id, ...form }, { origin: 'null' });
  expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([400, null]);
});

test('browsers may ask beforehand at the endpoints for programs', async () => {
  for (const path of ['/token', '/userinfo', '/introspect', '/revoke', '/par']) {
    const response = await fetch(`${flow.issuer}${path}`, {
      method: 'OPTIONS',
      headers: {
        origin: APP,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,dpop',
      },
    });
    expect([path, response.status]).toEqual([path, 204]);
    expect(response.headers.get('access-control-allow-methods')).toContain('POST');
    expect(response.headers.get('access-control-allow-headers')).toBe('authorization,dpop');
  }
});

test('callers that are no browser send no origin and need none', async () => {
  const person = await flow.people.create();
  const client = await flow.register({});
  const { tokens } = await signIn(flow, await connect(flow, client), person.id);
  const answer = await post(`${flow.issuer}/introspect`, { token: tokens.access_token }, basic(client));
  expect(answer.json.active).toBe(true);
});
