import { describe, expect, test } from '@jest/globals';
import { SignJWT } from 'jose';
import type { Configuration } from 'openid-client';
import type { Account } from '../../src/accounts/account.ts';
import type { Browser } from '../support/flow-browser.ts';
import { authorizationRequest, basic, connect, pageOf, post, signIn } from '../support/flow-client.ts';
import { type Requests, useRequests } from '../support/flow-federated-requests.ts';
import { CALLBACK, type Flow } from '../support/flow-server.ts';

let flow: Flow;
let client: Requests['client'];
let config: Configuration;
let person: Account;
let browser: Browser;
let open: Requests['open'];
useRequests((requests) => {
  ({ flow, client, config, person, browser, open } = requests);
});
const paramsOf = async (parameters: Record<string, string>) => pageOf(await open(parameters)).params;

describe('idp_hint', () => {
  test.each(['google', 'discord', 'my-own_idp2'])('%s reaches the pages', async (idp_hint) => {
    expect(await paramsOf({ idp_hint })).toMatchObject({ idpHint: idp_hint });
  });

  test.each(['Google', 'https://evil.example', '../callback', '', '2', 'a b', 'google\n', '__proto__'])(
    'that cannot be the name of an upstream is ignored: %j',
    async (idp_hint) => {
      const page = pageOf(await open({ idp_hint }));
      expect(page).toMatchObject({ screen: 'interaction', prompt: 'login' });
      expect(page.params).not.toHaveProperty('idpHint');
    },
  );

  test('S-013 that is too long is refused', async () => {
    expect((await open({ idp_hint: 'a'.repeat(65) })).response?.status).toBe(400);
  });

  test('S-007 twice is refused', async () => {
    const { url } = await authorizationRequest(config, { idp_hint: 'google' });
    const { url: end } = await browser.open(`${url.href}&idp_hint=discord`);
    expect(end.searchParams.get('error')).toBe('invalid_request');
  });

  test('may be pushed', async () => {
    const { url } = await authorizationRequest(config, { idp_hint: 'google' });
    const pushed = await post(`${flow.issuer}/par`, url.searchParams.toString(), basic(client));
    const { request_uri } = pushed.json;
    const visit = await browser.open(
      `${flow.issuer}/authorize?${new URLSearchParams({ client_id: client.id, request_uri })}`,
    );
    expect(pageOf(visit).params).toMatchObject({ idpHint: 'google' });
    const tooLong = await post(`${flow.issuer}/par`, `${url.searchParams}&idp_hint=${'a'.repeat(65)}`, basic(client));
    expect(tooLong.json.error).toBe('invalid_request');
  });

  test('may be in a signed request object', async () => {
    const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
    const jwk = await crypto.subtle.exportKey('jwk', pair.publicKey);
    const signing = await flow.register({ metadata: { jwks: { keys: [{ ...jwk, kid: 'k', use: 'sig' }] } } });
    const { url } = await authorizationRequest(await connect(flow, signing), { idp_hint: 'discord' });
    const now = Math.floor(Date.now() / 1000);
    const claims = { ...Object.fromEntries(url.searchParams), iss: signing.id, aud: flow.issuer, exp: now + 60 };
    const request = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'k' }).sign(pair.privateKey);
    const visit = await browser.open(
      `${flow.issuer}/authorize?${new URLSearchParams({ client_id: signing.id, request, response_type: 'code', scope: 'openid' })}`,
    );
    expect(pageOf(visit).params).toMatchObject({ idpHint: 'discord' });
  });

  test('changes nothing for whoever is signed in', async () => {
    await signIn(flow, config, person.id, { browser });
    expect((await open({ idp_hint: 'google', prompt: 'none' })).url.href).toContain(`${CALLBACK}?code=`);
  });
});

describe('S-164 what a client wants of the age of a sign-in reaches the pages, and by them the upstream', () => {
  test.each<[string, Record<string, string>, object]>([
    ['nothing', {}, { freshSignIn: false }],
    ['prompt=login', { prompt: 'login' }, { freshSignIn: true, prompt: 'login' }],
    ['prompt=consent', { prompt: 'consent' }, { freshSignIn: false }],
    ['max_age=0', { max_age: '0' }, { freshSignIn: true }],
    ['max_age of an hour', { max_age: '3600' }, { freshSignIn: false, maxAge: 3600 }],
  ])('%s, with nobody signed in', async (_, parameters, expected) => {
    expect(await paramsOf(parameters)).toMatchObject(expected);
  });

  test('a max_age that the session is too old for asks for a fresh sign-in', async () => {
    await signIn(flow, config, person.id, { browser });
    await flow.age(100);
    expect(await paramsOf({ max_age: '60' })).toMatchObject({ maxAge: 60, freshSignIn: true });
  });

  test('a session that is recent enough asks for none', async () => {
    await signIn(flow, config, person.id, { browser });
    const { url } = await open({ max_age: '3600' });
    expect(url.searchParams.has('code')).toBe(true);
  });

  test('so does what the client is registered with', async () => {
    const strict = await connect(flow, await flow.register({ metadata: { default_max_age: 600 } }));
    const visit = await browser.open((await authorizationRequest(strict)).url.href);
    expect(pageOf(visit).params).toMatchObject({ maxAge: 600, freshSignIn: false });
  });
});

describe('S-018 the pages know which classes of sign-in the request insists on', () => {
  const FEDERATED = 'urn:daemun:acr:federated';
  const acr = (member: unknown) => ({ claims: JSON.stringify({ id_token: { acr: member } }) });

  test.each<[string, Record<string, string>, string[] | undefined]>([
    ['one', acr({ essential: true, value: FEDERATED }), [FEDERATED]],
    ['several', acr({ essential: true, values: [FEDERATED, 'x'] }), [FEDERATED, 'x']],
    ['a wish', acr({ values: [FEDERATED] }), undefined],
    ['essential, of no value', acr({ essential: true }), undefined],
    ['null', acr(null), undefined],
    [
      'one, whatever else somebody wishes',
      { ...acr({ essential: true, value: FEDERATED }), acr_values: 'y' },
      [FEDERATED],
    ],
    ['claims of another place', { claims: '{"userinfo":{"acr":{"essential":true,"value":"x"}}}' }, undefined],
  ])('%s', async (_, parameters, expected) => {
    const page = pageOf(await open(parameters));
    expect(page.prompt).toBe('login');
    expect(page.params.essentialAcrs).toEqual(expected);
  });
});
