import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { SigningKeySet } from '../../src/signing-keys/key-set.ts';
import { publishedKeyOf } from '../../src/signing-keys/key-set.ts';
import { createBrowser } from '../support/flow-browser.ts';
import { connect, signIn } from '../support/flow-client.ts';
import { makeSigningKeys } from '../support/flow-keys.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';

let flow: Flow;
let first: SigningKeySet;
beforeAll(async () => {
  first = await makeSigningKeys();
  flow = await startFlow({ signingKeys: first });
});
afterAll(() => flow.close());

test('an archived key names people at the sign-out, not at a sign-in, and once it is gone at neither (K5, K8)', async () => {
  const client = await flow.register({});
  const config = await connect(flow, client);
  const person = await flow.people.create();
  const browser = createBrowser(flow.origin);
  const { tokens } = await signIn(flow, config, person.id, { browser });
  const hint = tokens.id_token!;
  const silently = (parameters: Record<string, string> = { id_token_hint: hint }) =>
    signIn(flow, config, person.id, { browser, parameters: { prompt: 'none', ...parameters } });
  const signOut = () => browser.open(`/logout?id_token_hint=${hint}`);
  await silently();

  const next = await makeSigningKeys();
  const hints = first.keys.map(publishedKeyOf);
  await flow.identityProvider.replaceKeys({ ...next, version: first.version + 1, hints });
  await silently({});
  await expect(silently()).rejects.toThrow();
  expect((await signOut()).response?.status).toBe(200);

  await flow.identityProvider.replaceKeys({ ...next, version: first.version + 2, hints: [] });
  await expect(silently()).rejects.toThrow();
  expect((await signOut()).response?.status).toBe(400);
});
