import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import type { Account } from '../../src/accounts/account.ts';
import { createBrowser } from '../support/flow-browser.ts';
import { authorizationRequest, basic, connect, obtainCode, post, signIn } from '../support/flow-client.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';

let flow: Flow;
let person: Account;
let client: { id: string; secret: string };
const grant_types = ['authorization_code', 'refresh_token'];
beforeAll(async () => {
  flow = await startFlow();
});
afterAll(() => flow.close());
beforeEach(async () => {
  person = await flow.people.create();
  client = await flow.register({ metadata: { grant_types } });
});

const redeem = (form: Record<string, string>, as: { id: string; secret: string } = client) =>
  post(`${flow.issuer}/token`, form, basic(as));

const userinfo = async (token: string) =>
  (await fetch(`${flow.issuer}/userinfo`, { headers: { authorization: `Bearer ${token}` } })).status;

test('S-026 a code presented twice fails, and every token that came from it stops working (codereuse)', async () => {
  const { form, browser } = await obtainCode(flow, client, person.id);
  const first = await redeem(form);
  expect(first.status).toBe(200);
  expect(await userinfo(first.json.access_token)).toBe(200);
  const second = await redeem(form);
  expect([second.status, second.json]).toEqual([
    400,
    { error: 'invalid_grant', error_description: expect.any(String) },
  ]);
  expect(await userinfo(first.json.access_token)).toBe(401);
  const refreshed = await redeem({ grant_type: 'refresh_token', refresh_token: first.json.refresh_token });
  expect(refreshed.json.error).toBe('invalid_grant');
  // The person is not bothered: neither sign-in nor consent is gone.
  const again = await signIn(flow, await connect(flow, client), person.id, { browser, parameters: { prompt: 'none' } });
  expect(await userinfo(again.tokens.access_token)).toBe(200);
});

test('S-026 after a replay a third party still has the consent it was given', async () => {
  client = await flow.register({ isFirstParty: false });
  const { form, browser } = await obtainCode(flow, client, person.id);
  await redeem(form);
  expect((await redeem(form)).status).toBe(400);
  await obtainCode(flow, client, person.id, { browser, parameters: { prompt: 'none' } });
});

test('S-026 a code presented again half a minute later ends its tokens, and the consent stays (codereuse-30seconds)', async () => {
  client = await flow.register({ isFirstParty: false, metadata: { grant_types } });
  const { form, browser } = await obtainCode(flow, client, person.id);
  const first = await redeem(form);
  await flow.age(30);
  expect(await userinfo(first.json.access_token)).toBe(200);
  const second = await redeem(form);
  expect([second.status, second.json.error]).toEqual([400, 'invalid_grant']);
  expect(await userinfo(first.json.access_token)).toBe(401);
  const refreshed = await redeem({ grant_type: 'refresh_token', refresh_token: first.json.refresh_token });
  expect([refreshed.status, refreshed.json.error]).toEqual([400, 'invalid_grant']);
  const again = await obtainCode(flow, client, person.id, { browser, parameters: { prompt: 'none' } });
  expect((await redeem(again.form)).status).toBe(200);
});

test('S-026 S-175 a replay, which ends what came of the code, is in the audit log before it is answered', async () => {
  const { form } = await obtainCode(flow, client, person.id);
  await redeem(form);
  const { headers } = await redeem(form);
  const { rows } = await flow.database.pool.query('SELECT type, client_id FROM audit_events WHERE request_id = $1', [
    headers.get('x-request-id'),
  ]);
  expect(rows).toEqual([{ type: 'code.replayed', client_id: client.id }]);
});

test('S-027 of many simultaneous presentations of one code at most one gets tokens', async () => {
  for (let round = 0; round < 5; round++) {
    const { form } = await obtainCode(flow, client, person.id);
    const answers = await Promise.all(Array.from({ length: 8 }, () => redeem(form)));
    expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
    expect(answers.every(({ status }) => status === 200 || status === 400)).toBe(true);
  }
});

test('S-028 a code expires after a minute', async () => {
  const { form } = await obtainCode(flow, client, person.id);
  const { form: late } = await obtainCode(flow, client, person.id);
  await flow.age(50);
  expect((await redeem(form)).status).toBe(200);
  await flow.age(15);
  const answer = await redeem(late);
  expect([answer.status, answer.json.error]).toEqual([400, 'invalid_grant']);
});

test('S-029 a code is of no use to another client, confidential or public', async () => {
  const other = await flow.register({});
  const open = await flow.register({ metadata: { token_endpoint_auth_method: 'none' } });
  const { form } = await obtainCode(flow, client, person.id);
  expect((await redeem(form, other)).json.error).toBe('invalid_grant');
  expect((await post(`${flow.issuer}/token`, { ...form, client_id: open.id })).json.error).toBe('invalid_grant');
  expect((await post(`${flow.issuer}/token`, { ...form, client_id: client.id })).json.error).toBe('invalid_client');
  // Strangers cannot spoil it either.
  expect((await redeem(form)).status).toBe(200);
});

describe('S-036 a code is void once', () => {
  test('the account is disabled', async () => {
    const { form } = await obtainCode(flow, client, person.id);
    await flow.people.set({ ...person, state: 'disabled' });
    expect((await redeem(form)).json.error).toBe('invalid_grant');
  });

  test('the client is disabled', async () => {
    const { form } = await obtainCode(flow, client, person.id);
    await flow.clients.disable(client.id, {});
    expect((await redeem(form)).json.error).toBe('invalid_client');
  });

  test.each([
    ['openid', null],
    ['openid offline_access', 'consent'],
  ])('the person signed out (%s)', async (scope, prompt) => {
    const { form, browser } = await obtainCode(flow, client, person.id, { parameters: { scope, prompt } });
    const page = JSON.parse((await browser.open('/logout')).text);
    const [, xsrf] = /name="xsrf" value="([^"]+)"/.exec(page.form)!;
    await browser.submit('/logout/confirm', { xsrf: xsrf!, logout: 'yes' });
    expect((await redeem(form)).json.error).toBe('invalid_grant');
  });
});

describe('PKCE', () => {
  test('S-030 is required of every client that is not registered without it', async () => {
    for (const metadata of [{}, { token_endpoint_auth_method: 'none' }]) {
      const { id } = await flow.register({ metadata });
      const { url } = await authorizationRequest(await connect(flow, { id }), {
        code_challenge: null,
        code_challenge_method: null,
      });
      const { url: end } = await createBrowser(flow.origin).open(url.href);
      expect(end.searchParams.get('error')).toBe('invalid_request');
    }
  });

  test('S-030 a confidential client may be registered without it', async () => {
    client = await flow.register({ requirePkce: false });
    const config = await connect(flow, client);
    const { tokens } = await signIn(flow, config, person.id, {
      parameters: { code_challenge: null, code_challenge_method: null },
    });
    expect(tokens.claims()!.sub).toBe(person.id);
  });

  test('may be used where it is not required, and then counts (ensure-request-with-valid-pkce-succeeds)', async () => {
    client = await flow.register({ requirePkce: false });
    const { form } = await obtainCode(flow, client, person.id);
    const { code_verifier: _, ...without } = form;
    expect((await redeem(without)).json.error).toBe('invalid_grant');
    expect((await redeem(form)).status).toBe(200);
  });

  test('S-031 a verifier without a challenge, or a challenge without a verifier, is refused', async () => {
    client = await flow.register({ requirePkce: false });
    const none = await obtainCode(flow, client, person.id, {
      parameters: { code_challenge: null, code_challenge_method: null },
    });
    const unexpected = await redeem({ ...none.form, code_verifier: oidc.randomPKCECodeVerifier() });
    expect(unexpected.json.error).toBe('invalid_grant');
    const { form } = await obtainCode(flow, client, person.id);
    const { code_verifier: _, ...without } = form;
    expect((await redeem(without)).json.error).toBe('invalid_grant');
  });

  test.each([
    ['plain', { code_challenge_method: 'plain' }],
    ['an unknown method', { code_challenge_method: 'S512' }],
    ['no method', { code_challenge_method: null }],
    ['a method without a challenge', { code_challenge: null }],
    ['42 characters', { code_challenge: 'a'.repeat(42) }],
    ['129 characters', { code_challenge: 'a'.repeat(129) }],
    ['a character outside the alphabet', { code_challenge: `${'a'.repeat(42)}+` }],
  ])('S-030 S-032 a challenge by %s is refused', async (_, parameters) => {
    const { url } = await authorizationRequest(await connect(flow, client), parameters);
    const { url: end } = await createBrowser(flow.origin).open(url.href);
    expect(end.searchParams.get('error')).toBe('invalid_request');
  });

  test.each([
    ['42 characters', 'a'.repeat(42)],
    ['129 characters', 'a'.repeat(129)],
    ['a character outside the alphabet', `${'a'.repeat(42)}=`],
  ])('S-032 a verifier of %s is refused', async (_, code_verifier) => {
    const { form } = await obtainCode(flow, client, person.id);
    expect((await redeem({ ...form, code_verifier })).json.error).toBe('invalid_request');
  });

  test('S-034 five wrong verifiers void the code', async () => {
    const { form } = await obtainCode(flow, client, person.id);
    for (let tries = 0; tries < 5; tries++) {
      const wrong = await redeem({ ...form, code_verifier: oidc.randomPKCECodeVerifier() });
      expect(wrong.json.error).toBe('invalid_grant');
    }
    expect((await redeem(form)).json.error).toBe('invalid_grant');
  });

  test('S-034 one wrong verifier does not', async () => {
    const { form } = await obtainCode(flow, client, person.id);
    await redeem({ ...form, code_verifier: oidc.randomPKCECodeVerifier() });
    expect((await redeem(form)).status).toBe(200);
  });
});

test('S-035 codes have 256 bits and their value is nowhere in the database', async () => {
  const { code } = await obtainCode(flow, client, person.id);
  expect(code).toMatch(/^[\w-]{43}$/);
  const { rows } = await flow.database.pool.query('SELECT id, payload::text AS payload FROM protocol_artifacts');
  for (const row of rows) expect(`${row.payload} ${row.id}`).not.toContain(code);
});

test.each([
  ['no code', { code: '' }],
  ['an unknown code', { code: 'x' }],
  ['an endless code', { code: 'x'.repeat(20_000) }],
  ['a code that is not text', { code: '\u{1F600}\u0007' }],
])('S-052 %s is a plain refusal', async (_, wrong) => {
  const { form } = await obtainCode(flow, client, person.id);
  const answer = await redeem({ ...form, ...wrong });
  expect(answer.status).toBe(400);
  expect(['invalid_grant', 'invalid_request']).toContain(answer.json.error);
});
