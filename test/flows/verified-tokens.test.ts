import { createVerifier, type Verifier } from '@daemun/verify';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { JwtVerifier } from 'aws-jwt-verify';
import express from 'express';
import { auth } from 'express-oauth2-jwt-bearer';
import * as oidc from 'openid-client';
import { frameworks, send } from '../../packages/verify/test/support/apps.ts';
import type { SigningKeySet } from '../../src/signing-keys/key-set.ts';
import { connect, signIn } from '../support/flow-client.ts';
import { followedBy, makeSigningKeys } from '../support/flow-keys.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';

/** Tokens as the service makes them, at the verifier that we publish and at those that others do. */
const API = 'https://api.example.com/';
const OTHER = 'https://other.example.com/';
const OPAQUE = 'urn:example:opaque';
const ALGORITHMS = ['ES256', 'RS256', 'PS256', 'EdDSA'] as const;
const grant_types = ['authorization_code', 'refresh_token', 'client_credentials'];
const scopes = ['read', 'write', 'admin'].map((name) => ({ name, description: name }));

let flow: Flow;
let keys: SigningKeySet;
let config: oidc.Configuration;
let verifier: Verifier;
/** Of the verifier; moved ahead where a test waits for nothing else. */
let ahead = 0;
const now = () => Date.now() + ahead * 1000;
beforeAll(async () => {
  keys = await makeSigningKeys();
  flow = await startFlow({ signingKeys: keys });
  await flow.registerResource({ identifier: API, name: 'API', scopes });
  await flow.registerResource({ identifier: OTHER, name: 'Other', scopes });
  await flow.registerResource({ identifier: OPAQUE, name: 'Opaque', scopes, accessTokenFormat: 'opaque' });
  const metadata = { grant_types, userinfo_signed_response_alg: 'RS256' };
  config = await connect(flow, await flow.register({ resources: [API, OTHER, OPAQUE], metadata }));
  verifier = createVerifier({ issuer: flow.issuer, audience: API, now });
});
afterAll(() => flow.close());

const tokenFor = async (resource: string, scope = 'read') =>
  (await oidc.clientCredentialsGrant(config, { resource, scope })).access_token;

async function tokensOfPerson(parameters: Record<string, string> = { scope: 'openid read', resource: API }) {
  return (await signIn(flow, config, (await flow.people.create()).id, { parameters })).tokens;
}

describe.each(ALGORITHMS)('S-071 a token signed with %s', (signingAlgorithm) => {
  const identifier = `https://${signingAlgorithm.toLowerCase()}.example.com/`;
  let token: string;
  beforeAll(async () => {
    await flow.registerResource({ identifier, name: signingAlgorithm, scopes, signingAlgorithm });
    const metadata = { grant_types: ['client_credentials'], redirect_uris: [] };
    const machine = await connect(flow, await flow.register({ resources: [identifier], metadata }));
    token = (await oidc.clientCredentialsGrant(machine, { scope: 'read' })).access_token;
  });

  test('S-075 is good at our verifier, and not where another algorithm is wanted', async () => {
    const { audience, scopes: granted } = await createVerifier({ issuer: flow.issuer, audience: identifier }).verify(
      token,
    );
    expect([audience, granted]).toEqual([[identifier], ['read']]);
    const algorithms = ALGORITHMS.filter((name) => name !== signingAlgorithm);
    const picky = createVerifier({ issuer: flow.issuer, audience: identifier, algorithms });
    await expect(picky.verify(token)).rejects.toMatchObject({ cause: 'signature' });
  });

  test('is good at express-oauth2-jwt-bearer', async () => {
    const app = express();
    const options = {
      issuerBaseURL: flow.issuer,
      audience: identifier,
      tokenSigningAlg: signingAlgorithm,
      strict: true,
    };
    app.use(auth(options), (_, response) => void response.sendStatus(200));
    expect((await send(app, '/', [['Authorization', `Bearer ${token}`]])).status).toBe(200);
  });

  // It does not know PS256.
  if (signingAlgorithm === 'PS256') return;
  test('is good at aws-jwt-verify', async () => {
    // Fetches by https only, so it is handed the keys.
    const foreign = JwtVerifier.create({
      issuer: flow.issuer,
      audience: identifier,
      jwksUri: 'https://unused.example/',
    });
    foreign.cacheJwks((await (await fetch(`${flow.issuer}/.well-known/jwks.json`)).json()) as never);
    await expect(foreign.verify(token)).resolves.toMatchObject({ aud: identifier });
  });
});

describe('our verifier', () => {
  test('knows a person from a machine', async () => {
    const person = await verifier.verify((await tokensOfPerson()).access_token);
    expect(person.subject).not.toBe(person.clientId);
    const machine = await verifier.verify(await tokenFor(API));
    expect(machine.subject).toBe(machine.clientId);
  });

  const changed = (token: string, part: number, change: (text: string) => string) =>
    token
      .split('.')
      .map((text, index) => {
        if (index !== part) return text;
        return Buffer.from(change(String(Buffer.from(text, 'base64url')))).toString('base64url');
      })
      .join('.');

  test.each<[string, string, () => Promise<string>]>([
    ['an ID token', 'malformed', async () => (await tokensOfPerson()).id_token!],
    ['a refresh token', 'malformed', async () => (await tokensOfPerson()).refresh_token!],
    ['an opaque access token', 'malformed', () => tokenFor(OPAQUE)],
    ['signed userinfo', 'malformed', signedUserinfo],
    ['a token for another API', 'audience', () => tokenFor(OTHER)],
    [
      'a token with another subject',
      'signature',
      async () => changed(await tokenFor(API), 1, (text) => text.replace('"sub":"', '"sub":"x')),
    ],
    [
      'a token with more scopes',
      'signature',
      async () => changed(await tokenFor(API), 1, (text) => text.replace('"read"', '"read admin"')),
    ],
    [
      'a token under another key',
      'signature',
      async () => changed(await tokenFor(API), 0, (text) => text.replace('"kid":"', '"kid":"x')),
    ],
    [
      'a token without its signature',
      'malformed',
      async () => `${(await tokenFor(API)).split('.').slice(0, 2).join('.')}.`,
    ],
  ])('S-072 refuses %s (%s)', async (_, cause, make) => {
    const token = await make();
    await expect(verifier.verify(token)).rejects.toMatchObject({ name: 'VerifyError', cause });
  });

  async function signedUserinfo(): Promise<string> {
    const { access_token } = await tokensOfPerson({ scope: 'openid' });
    const response = await fetch(`${flow.issuer}/userinfo`, { headers: { authorization: `Bearer ${access_token}` } });
    expect(response.headers.get('content-type')).toContain('application/jwt');
    return response.text();
  }

  test('refuses what lacks a scope, and what has expired', async () => {
    const token = await tokenFor(API, 'read write');
    await expect(verifier.verify(token, { scopes: ['write'] })).resolves.toMatchObject({ scopes: ['read', 'write'] });
    await expect(verifier.verify(token, { scopes: ['admin'] })).rejects.toMatchObject({ cause: 'scope' });
    const later = createVerifier({ issuer: flow.issuer, audience: API, now: () => Date.now() + 16 * 60_000 });
    await expect(later.verify(token)).rejects.toMatchObject({ cause: 'expired' });
  });

  test('knows the next key of the provider, and still the one before (server-rotate-keys)', async () => {
    const before = await tokenFor(API);
    const next = await makeSigningKeys();
    await flow.identityProvider.replaceKeys(followedBy(keys, next));
    const after = await tokenFor(API);
    // Past its cool-down after the last time it read the keys.
    ahead = 31;
    await expect(verifier.verify(after)).resolves.toMatchObject({ audience: [API] });
    await expect(verifier.verify(before)).resolves.toMatchObject({ audience: [API] });
    ahead = 0;
  });
});

test.each(frameworks)('on %s the middleware lets in who has the token and the scope', async (_, create) => {
  const listener = await create(verifier);
  const call = async (path: string, token: string) =>
    (await send(listener, path, [['Authorization', `Bearer ${token}`]])).status;
  const { access_token, id_token } = await tokensOfPerson();
  expect([await call('/things', access_token), await call('/admin', access_token)]).toEqual([200, 403]);
  expect(await call('/admin', await tokenFor(API, 'write admin'))).toBe(200);
  expect([await call('/things', id_token!), await call('/things', await tokenFor(OTHER))]).toEqual([401, 401]);
});
