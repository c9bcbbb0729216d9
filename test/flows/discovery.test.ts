import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { type Flow, startFlow } from '../support/flow-server.ts';

const METADATA = '/.well-known/openid-configuration';
const JWKS = '/.well-known/jwks.json';

let flow: Flow;
beforeAll(async () => {
  flow = await startFlow();
});
afterAll(() => flow.close());

test('the discovery document has what certification looks for (discovery-endpoint-verification)', async () => {
  const response = await fetch(`${flow.issuer}${METADATA}`);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
  const document = (await response.json()) as Record<string, unknown>;
  expect(document).toMatchObject({
    issuer: flow.issuer,
    authorization_endpoint: `${flow.issuer}/authorize`,
    token_endpoint: `${flow.issuer}/token`,
    userinfo_endpoint: `${flow.issuer}/userinfo`,
    introspection_endpoint: `${flow.issuer}/introspect`,
    revocation_endpoint: `${flow.issuer}/revoke`,
    pushed_authorization_request_endpoint: `${flow.issuer}/par`,
    end_session_endpoint: `${flow.issuer}/logout`,
    jwks_uri: `${flow.issuer}${JWKS}`,
    response_types_supported: ['code'],
    subject_types_supported: ['public'],
    scopes_supported: ['openid', 'offline_access', 'profile', 'email'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
    claims_parameter_supported: true,
    request_parameter_supported: true,
    request_uri_parameter_supported: false,
    acr_values_supported: ['urn:daemun:acr:one-factor', 'urn:daemun:acr:federated'],
    claims_supported: expect.arrayContaining(['sub', 'acr', 'amr', 'auth_time', 'idp', 'email']),
    ui_locales_supported: ['ko', 'en'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
  });
  expect((document.id_token_signing_alg_values_supported as string[]).sort()).toEqual(
    expect.arrayContaining(['ES256', 'EdDSA', 'PS256', 'RS256']),
  );
  // A shared secret that we only have as a digest can sign nothing.
  for (const [name, values] of Object.entries(document)) {
    if (name.endsWith('alg_values_supported')) expect((values as string[]).join()).not.toMatch(/none|HS/);
  }
  for (const absent of [
    'registration_endpoint',
    'device_authorization_endpoint',
    'check_session_iframe',
    'backchannel_logout_supported',
  ]) {
    expect(document).not.toHaveProperty(absent);
  }
  expect(flow.identityProvider.endpoints).toEqual(
    Object.fromEntries(Object.keys(flow.identityProvider.endpoints).map((name) => [name, document[name]])),
  );
});

test('the OAuth metadata are the same document', async () => {
  const [one, other] = await Promise.all(
    [METADATA, '/.well-known/oauth-authorization-server'].map(async (path) =>
      (await fetch(`${flow.issuer}${path}`)).text(),
    ),
  );
  expect(other).toBe(one);
});

test('S-082 S-092 keys: unique ids, a use, no private member, large enough', async () => {
  const response = await fetch(`${flow.issuer}${JWKS}`);
  expect(response.headers.get('content-type')).toBe('application/jwk-set+json; charset=utf-8');
  const { keys } = (await response.json()) as { keys: JWK[] };
  expect(new Set(keys.map(({ kid }) => kid)).size).toBe(keys.length);
  for (const key of keys) {
    expect(key.use).toBe('sig');
    expect(key.kid).toEqual(expect.any(String));
    expect(key.kid).toBe(await calculateJwkThumbprint(key));
    for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']) expect(key).not.toHaveProperty(member);
    if (key.kty === 'RSA') expect(Buffer.from(key.n!, 'base64url').length).toBeGreaterThanOrEqual(256);
  }
  expect(keys.map(({ crv, kty }) => crv ?? kty).sort()).toEqual(expect.arrayContaining(['Ed25519', 'P-256', 'RSA']));
});

describe.each([METADATA, '/.well-known/oauth-authorization-server', JWKS])('%s', (path) => {
  test('may be kept by caches, and is answered by 304 when it did not change', async () => {
    const first = await fetch(`${flow.issuer}${path}`);
    expect(first.headers.get('cache-control')).toBe(
      'public, max-age=300, stale-while-revalidate=60, stale-if-error=86100',
    );
    const etag = first.headers.get('etag')!;
    expect(etag).toMatch(/^"[\w-]{43}"$/);
    for (const given of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const again = await fetch(`${flow.issuer}${path}`, { headers: { 'if-none-match': given } });
      expect([given, again.status, await again.text()]).toEqual([given, 304, '']);
      expect(again.headers.get('etag')).toBe(etag);
      expect(again.headers.get('cache-control')).toBe(first.headers.get('cache-control'));
    }
    expect((await fetch(`${flow.issuer}${path}`, { headers: { 'if-none-match': '"other"' } })).status).toBe(200);
  });

  test('has the same headers for HEAD and no body', async () => {
    const get = await fetch(`${flow.issuer}${path}`);
    const head = await fetch(`${flow.issuer}${path}`, { method: 'HEAD' });
    expect(await head.text()).toBe('');
    for (const name of ['content-type', 'content-length', 'etag', 'cache-control', 'access-control-allow-origin']) {
      expect(head.headers.get(name)).toBe(get.headers.get(name));
    }
    expect(Number(head.headers.get('content-length'))).toBe((await get.arrayBuffer()).byteLength);
  });

  test('is open to scripts of any site', async () => {
    const response = await fetch(`${flow.issuer}${path}`, { headers: { origin: 'https://anywhere.example' } });
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    const preflight = await fetch(`${flow.issuer}${path}`, {
      method: 'OPTIONS',
      headers: { origin: 'https://anywhere.example', 'access-control-request-method': 'GET' },
    });
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([204, '*']);
  });

  test('takes nothing', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
      const response = await fetch(`${flow.issuer}${path}`, { method });
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS']);
      expect(await response.json()).toMatchObject({ status: 405, code: 'method_not_allowed' });
    }
  });

  test('S-169 cannot be poisoned by a host or a forwarded header', async () => {
    const right = await (await fetch(`${flow.issuer}${path}`)).text();
    const asked = async (headers: Record<string, string>, target = path) =>
      new Promise<{ status: number; text: string }>((resolve, reject) => {
        const { hostname, port } = new URL(flow.origin);
        request({ hostname, port, path: target, headers }, (response) => {
          let text = '';
          response.on('data', (chunk) => {
            text += chunk;
          });
          response.on('end', () => resolve({ status: response.statusCode!, text }));
        })
          .on('error', reject)
          .end();
      });
    expect((await asked({ host: 'evil.example' })).status).toBe(421);
    expect((await asked({}, `http://evil.example${path}`)).status).toBe(400);
    const { host } = new URL(flow.origin);
    for (const name of ['x-forwarded-host', 'x-forwarded-proto', 'forwarded', 'x-original-host']) {
      expect(await asked({ host, [name]: 'evil.example' })).toEqual({ status: 200, text: right });
    }
  });
});

test('S-169 behind a proxy every URL is of the issuer', async () => {
  const behind = await startFlow({ issuer: 'https://id.example.com' });
  try {
    const text = await new Promise<string>((resolve, reject) => {
      const { hostname, port } = new URL(behind.origin);
      request({ hostname, port, path: METADATA, headers: { host: 'id.example.com' } }, (response) => {
        let body = '';
        response.on('data', (chunk) => {
          body += chunk;
        });
        response.on('end', () => {
          expect(response.headers['strict-transport-security']).toContain('max-age=');
          resolve(body);
        });
      })
        .on('error', reject)
        .end();
    });
    const urls = Object.values(JSON.parse(text) as Record<string, unknown>).filter((value) =>
      String(value).startsWith('http'),
    );
    expect(urls.length).toBeGreaterThan(8);
    for (const url of urls) expect(new URL(String(url)).origin).toBe('https://id.example.com');
  } finally {
    await behind.close();
  }
});

test('S-171 other spellings of a path do not exist', async () => {
  for (const path of [
    '/Token',
    '/token/',
    '//token',
    '/./token',
    '/x/../token',
    '/%74oken',
    '/token;x',
    '/token%2f',
    '/AUTHORIZE',
    '/authorize/',
    '/.well-known/JWKS.json',
  ]) {
    const status = await new Promise<number>((resolve, reject) => {
      const { hostname, port, host } = new URL(flow.origin);
      request({ hostname, port, path, method: 'POST', headers: { host } }, (response) => {
        response.resume();
        resolve(response.statusCode!);
      })
        .on('error', reject)
        .end();
    });
    expect([path, status]).toEqual([path, 404]);
  }
});
