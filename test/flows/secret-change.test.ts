import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type JWK, SignJWT } from 'jose';
import * as oidc from 'openid-client';
import { createBrowser } from '../support/flow-browser.ts';
import { authorizationRequest, basic, connect, pageOf, post, signIn } from '../support/flow-client.ts';
import { makeSecrets, makeSigningKeys } from '../support/flow-keys.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';

const API = 'https://api.example.com/';

/** What the service reads anew at each use, as it does with what follows the database. */
let content = makeSecrets();
const live: ReturnType<typeof makeSecrets> = {
  get cookieKeys() {
    return content.cookieKeys;
  },
  get dpopNonceSecrets() {
    return content.dpopNonceSecrets;
  },
  refreshSuccessorKey: content.refreshSuccessorKey,
};

let flow: Flow;
const signingKeys = makeSigningKeys();
beforeAll(async () => {
  flow = await startFlow({ secrets: live, signingKeys: await signingKeys });
  await flow.registerResource({ identifier: API, name: 'API', scopes: [] });
});
afterAll(() => flow.close());

test('cookie keys change while people are signed in, and nobody notices, as long as the one before is kept', async () => {
  const config = await connect(flow, await flow.register({}));
  const person = await flow.people.create();
  const browser = createBrowser(flow.origin);
  await signIn(flow, config, person.id, { browser });
  const silently = async () => signIn(flow, config, person.id, { browser, parameters: { prompt: 'none' } });

  const [before] = content.cookieKeys;
  const [next, afterNext] = [makeSecrets().cookieKeys[0]!, makeSecrets().cookieKeys[0]!];
  // Another node signs with it already.
  content = { ...content, cookieKeys: [before!, next] };
  expect((await silently()).tokens.claims()!.sub).toBe(person.id);
  content = { ...content, cookieKeys: [next, afterNext, before!] };
  expect((await silently()).tokens.claims()!.sub).toBe(person.id);
  // Whoever came by meanwhile has a cookie of the new one.
  content = { ...content, cookieKeys: [next, afterNext] };
  expect((await silently()).tokens.claims()!.sub).toBe(person.id);
});

test('a cookie that was signed with a key that is gone is no session', async () => {
  const config = await connect(flow, await flow.register({}));
  const person = await flow.people.create();
  const browser = createBrowser(flow.origin);
  await signIn(flow, config, person.id, { browser });
  content = { ...content, cookieKeys: makeSecrets().cookieKeys };
  const { url } = await authorizationRequest(config);
  expect(pageOf(await browser.open(url.href))).toMatchObject({ screen: 'interaction', prompt: 'login' });
});

test('a DPoP nonce of the secret before is answered with one of the new, with which the request goes through', async () => {
  const client = await flow.register({ metadata: { grant_types: ['client_credentials'] }, resources: [API] });
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const url = `${flow.issuer}/token`;
  const proof = (claims: object) =>
    new SignJWT({ htm: 'POST', htu: url, iat: Math.floor(Date.now() / 1000), jti: randomUUID(), ...claims })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: publicKey.export({ format: 'jwk' }) as JWK })
      .sign(privateKey);
  const ask = async (claims: object) =>
    post(url, { grant_type: 'client_credentials', resource: API }, { ...basic(client), DPoP: await proof(claims) });

  const nonce = (await ask({})).headers.get('dpop-nonce');
  expect((await ask({ nonce })).status).toBe(200);
  content = { ...content, dpopNonceSecrets: makeSecrets().dpopNonceSecrets };
  await flow.identityProvider.replaceKeys({ ...(await signingKeys), version: 2 });
  const refused = await ask({ nonce });
  expect(refused.json.error).toBe('use_dpop_nonce');
  expect((await ask({ nonce: refused.headers.get('dpop-nonce') })).status).toBe(200);
});

test('a client by library goes on over the change of the DPoP nonce secret by itself', async () => {
  const client = await flow.register({ metadata: { grant_types: ['client_credentials'] }, resources: [API] });
  const config = await connect(flow, client);
  const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair());
  for (let version = 3; version < 6; version++) {
    const token = await oidc.clientCredentialsGrant(config, { resource: API }, { DPoP });
    expect(token.token_type).toBe('dpop');
    content = { ...content, dpopNonceSecrets: makeSecrets().dpopNonceSecrets };
    await flow.identityProvider.replaceKeys({ ...(await signingKeys), version });
  }
});
