import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import { connect } from '../support/flow-client.ts';
import { makeSecrets, makeSigningKeys } from '../support/flow-keys.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';

const API = 'https://api.example.com/';
const makeSecret = () => makeSecrets().dpopNonceSecrets[0]!;
const [older, newer, other] = [makeSecret(), makeSecret(), makeSecret()];

/** What a node makes nonces with, and what else it accepts. */
let content = [older, newer];
let flow: Flow;
const signingKeys = makeSigningKeys();
beforeAll(async () => {
  const secrets = {
    ...makeSecrets(),
    get dpopNonceSecrets() {
      return content;
    },
  };
  flow = await startFlow({ secrets, signingKeys: await signingKeys });
  await flow.registerResource({ identifier: API, name: 'API', scopes: [] });
});
afterAll(() => flow.close());

/** Serves as the node that has followed so far. */
async function serveAs(secrets: typeof content): Promise<void> {
  content = secrets;
  await flow.identityProvider.replaceKeys(await signingKeys);
}

/** A client by library, whose DPoP nonces are noted together with how often it was refused. */
async function createClient() {
  const client = await flow.register({ metadata: { grant_types: ['client_credentials'] }, resources: [API] });
  const config = await connect(flow, client);
  const seen = { refusals: 0 };
  const send = config[oidc.customFetch] ?? (fetch as oidc.CustomFetch);
  config[oidc.customFetch] = async (url, options) => {
    const response = await send(url, options);
    if (response.status >= 400) seen.refusals += 1;
    return response;
  };
  const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair());
  return { seen, ask: () => oidc.clientCredentialsGrant(config, { resource: API }, { DPoP }) };
}

test('two nodes on both sides of a change of the secret accept the nonces of each other', async () => {
  const { seen, ask } = await createClient();
  const [before, after] = [
    [older, newer],
    [newer, other, older],
  ];
  for (let turn = 0; turn < 6; turn++) {
    await serveAs(turn % 2 === 0 ? before : after);
    expect((await ask()).token_type).toBe('dpop');
  }
  expect(seen.refusals).toBe(0);
});

test('a nonce of a secret that is gone is refused, and the client gets a new one', async () => {
  const { seen, ask } = await createClient();
  await serveAs([older, newer]);
  await ask();
  await serveAs([other]);
  expect((await ask()).token_type).toBe('dpop');
  expect(seen.refusals).toBe(1);
});
