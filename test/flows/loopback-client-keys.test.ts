import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import * as oidc from 'openid-client';
import { createOutbound } from '../../src/platform/http/outbound.ts';
import { createPublicFetch } from '../../src/provider/public-fetch.ts';
import { connect } from '../support/flow-client.ts';
import { startFlow } from '../support/flow-server.ts';

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
let asked = 0;
const publisher = createServer((_, response) => {
  asked += 1;
  const jwk = { ...pair.publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'ES256', use: 'sig' };
  response.setHeader('Content-Type', 'application/json').end(JSON.stringify({ keys: [jwk] }));
});

// The engine says that its own protection is off under a test runner; ours stands in front of it.
const warning = jest.spyOn(console, 'warn').mockImplementation(() => {});
beforeAll(() => new Promise<void>((resolve) => publisher.listen(0, '127.0.0.1', resolve)));
afterAll(async () => {
  warning.mockRestore();
  publisher.closeAllConnections();
  await new Promise((resolve) => publisher.close(resolve));
});

/** A developer's application on the same machine, which publishes its keys over plain http. */
async function authenticate(host: string, fetchKeys: typeof fetch): Promise<string> {
  const flow = await startFlow({ fetch: fetchKeys });
  try {
    const client = await flow.register({
      metadata: {
        grant_types: ['client_credentials', 'authorization_code'],
        token_endpoint_auth_method: 'private_key_jwt',
        jwks_uri: `http://${host}:${(publisher.address() as AddressInfo).port}/keys`,
      },
    });
    const key = await crypto.subtle.importKey(
      'pkcs8',
      pair.privateKey.export({ format: 'der', type: 'pkcs8' }) as unknown as BufferSource,
      { name: 'ECDSA', namedCurve: 'P-256' },
      false,
      ['sign'],
    );
    const config = await connect(flow, client, { authentication: oidc.PrivateKeyJwt({ key, kid: 'k1' }) });
    return (await oidc.clientCredentialsGrant(config)).token_type;
  } finally {
    await flow.close();
  }
}

test.each(['127.0.0.1', 'localhost'])('keys published on %s are read where that is switched on', async (host) => {
  asked = 0;
  expect(await authenticate(host, createPublicFetch(createOutbound({ allowLoopback: true })))).toBe('bearer');
  expect(asked).toBe(1);
});

test.each(['127.0.0.1', 'localhost'])('S-176 keys published on %s are not asked for otherwise', async (host) => {
  asked = 0;
  await expect(authenticate(host, createPublicFetch(createOutbound()))).rejects.toMatchObject({
    error: 'invalid_client',
  });
  expect(asked).toBe(0);
});
