import { createDpopNonces, createVerifier, type VerifierOptions } from '@daemun/verify';
import { describe, expect, test } from '@jest/globals';
import { frameworks, send } from './support/apps.ts';
import { AUDIENCE, accessToken, createKey, FakeIssuer, ISSUER, NOW } from './support/issuer.ts';
import { createProof, TARGET, thumbprint } from './support/proof.ts';

const key = createKey('ES256');
const clientKey = createKey('ES256');
const token = accessToken(key);
const boundToken = accessToken(key, { cnf: { jkt: thumbprint(clientKey) } });
const METADATA = 'resource_metadata="https://api.example/.well-known/oauth-protected-resource"';
const ALGS = 'algs="ES256 PS256 EdDSA Ed25519"';

function verifier(options: Partial<VerifierOptions> = {}, issuer = new FakeIssuer(key)) {
  return createVerifier({ issuer: ISSUER, audience: AUDIENCE, fetch: issuer.fetch, now: () => NOW * 1000, ...options });
}

type Headers = [string, string][];
const bearer = (value: string): Headers => [['Authorization', `Bearer ${value}`]];
const dpop = (value: string, proof = createProof(clientKey, value)): Headers => [
  ['Authorization', `DPoP ${value}`],
  ['DPoP', proof],
];

const invalidToken = (description: string) => [
  `Bearer error="invalid_token", error_description="${description}", ${METADATA}`,
  `DPoP ${ALGS}, ${METADATA}`,
];
const invalidRequest = (description: string) => [
  `Bearer error="invalid_request", error_description="${description}", ${METADATA}`,
  `DPoP ${ALGS}, ${METADATA}`,
];
const dpopError = (error: string, description: string) => [
  `DPoP error="${error}", error_description="${description}", ${ALGS}, ${METADATA}`,
  `Bearer ${METADATA}`,
];
const noCredentials = [`Bearer ${METADATA}`, `DPoP ${ALGS}, ${METADATA}`];

const refusals: [string, string, () => Headers, number, string[]][] = [
  ['no credentials, so no error code', '/things', () => [], 401, noCredentials],
  ['a scheme that is not ours', '/things', () => [['Authorization', 'Basic dXNlcjpwYXNz']], 401, noCredentials],
  [
    'a token that is no token',
    '/things',
    () => bearer('x'),
    401,
    invalidToken('The token is not a JWS in compact serialization.'),
  ],
  [
    'an expired token',
    '/things',
    () => bearer(accessToken(key, { exp: NOW - 60 })),
    401,
    invalidToken('The token has expired.'),
  ],
  [
    'S-072 a token for somebody else',
    '/things',
    () => bearer(accessToken(key, { aud: 'x' })),
    401,
    invalidToken('The token is meant for another resource.'),
  ],
  [
    'S-074 a token in the query string',
    `/things?access_token=${token}`,
    () => [],
    400,
    invalidRequest('Access tokens are not accepted in the query string, where logs and histories keep them.'),
  ],
  [
    'S-074 a token in header and query string',
    `/things?a=1&access%5Ftoken=${token}`,
    () => bearer(token),
    400,
    invalidRequest('Access tokens are not accepted in the query string, where logs and histories keep them.'),
  ],
  [
    'S-074 two Authorization headers',
    '/things',
    () => [...bearer(token), ...bearer(token)],
    400,
    invalidRequest('The request has more than one Authorization header.'),
  ],
  [
    'S-074 two tokens in one header',
    '/things',
    () => bearer(`${token}, Bearer ${token}`),
    400,
    invalidRequest('The Authorization header holds no well-formed token.'),
  ],
  [
    'a scheme without a token',
    '/things',
    () => [['Authorization', 'Bearer']],
    400,
    invalidRequest('The Authorization header holds no well-formed token.'),
  ],
  [
    'S-089 a bound token as Bearer',
    '/things',
    () => bearer(boundToken),
    401,
    invalidToken('The token is bound to a key: send it under the scheme DPoP, with a proof.'),
  ],
  [
    'S-089 a bound token as Bearer, with its proof',
    '/things',
    () => [...bearer(boundToken), ['DPoP', createProof(clientKey, boundToken)]],
    401,
    invalidToken('The token is bound to a key: send it under the scheme DPoP, with a proof.'),
  ],
  [
    'S-089 no proof',
    '/things',
    () => [['Authorization', `DPoP ${boundToken}`]],
    401,
    dpopError('invalid_token', 'The token is bound to a key: a DPoP proof is required.'),
  ],
  [
    'S-089 two proofs',
    '/things',
    () => [...dpop(boundToken), ['DPoP', createProof(clientKey, boundToken)]],
    400,
    invalidRequest('The request has more than one DPoP header.'),
  ],
  [
    'S-089 an unbound token as DPoP',
    '/things',
    () => dpop(token),
    401,
    dpopError('invalid_token', 'The token is not bound to a key: send it as Bearer.'),
  ],
  [
    'S-089 a proof for another URL',
    '/things',
    () => dpop(boundToken, createProof(clientKey, boundToken, { claims: { htu: `${TARGET}/1` } })),
    401,
    dpopError('invalid_dpop_proof', 'The proof is for another URL.'),
  ],
  [
    'a missing scope',
    '/admin',
    () => bearer(token),
    403,
    [
      `Bearer error="insufficient_scope", error_description="The request needs the scope: admin write", scope="admin write", ${METADATA}`,
      `DPoP scope="admin write", ${ALGS}, ${METADATA}`,
    ],
  ],
  ['a missing scope, and no token at all', '/admin', () => [], 401, noCredentials],
];

describe.each(frameworks)('%s', (_, createListener) => {
  test.each(refusals)('refuses %s', async (_, path, headers, status, challenges) => {
    const answer = await send(await createListener(verifier()), path, headers());
    expect(answer.status).toBe(status);
    expect(answer.headers['www-authenticate']).toEqual(challenges);
    expect(answer.headers['content-type']).toEqual(['application/problem+json']);
    expect(answer.headers['cache-control']).toEqual(['no-store']);
    const error = /error="(\w+)"/.exec(challenges.join())?.[1];
    expect(JSON.parse(answer.body)).toEqual({
      title: expect.any(String),
      detail: expect.any(String),
      status,
      ...(error && { error }),
    });
  });

  test.each<[string, string, () => Headers]>([
    ['a bearer token', '/things', () => bearer(token)],
    ['a scheme in any case', '/things', () => [['authorization', `bEARER  ${token}`]]],
    ['a bound token with its proof', '/things?page=2', () => dpop(boundToken)],
    [
      'two guards with one proof',
      '/both',
      () => dpop(boundToken, createProof(clientKey, boundToken, { claims: { htu: 'https://api.example/both' } })),
    ],
    ['the scopes that a route asks for', '/admin', () => bearer(accessToken(key, { scope: 'write admin' }))],
  ])('lets pass %s', async (_, path, headers) => {
    const answer = await send(await createListener(verifier()), path, headers());
    expect([answer.status, answer.body]).toEqual([200, '{"subject":"user-1"}']);
  });

  test('tells which scope every token needs', async () => {
    const listener = await createListener(verifier({ requiredScopes: ['admin'] }), { realm: 'api' });
    const [anonymous] = (await send(listener, '/things')).headers['www-authenticate'] ?? [];
    expect(anonymous).toBe(`Bearer realm="api", scope="admin", ${METADATA}`);
    const refused = await send(listener, '/things', bearer(token));
    expect(refused.status).toBe(403);
    expect(refused.headers['www-authenticate']?.[0]).toMatch(/error="insufficient_scope".* scope="admin"/);
  });

  test('answers 503, not 401, while there are no keys', async () => {
    const issuer = new FakeIssuer(key);
    issuer.down = true;
    const answer = await send(await createListener(verifier({}, issuer)), '/things', bearer(token));
    expect(answer.status).toBe(503);
    expect(answer.headers['retry-after']).toEqual(['1']);
    expect(answer.headers['www-authenticate']).toBeUndefined();
    expect(JSON.parse(answer.body)).toMatchObject({ status: 503 });
  });

  test('hands out nonces with every answer to a DPoP request', async () => {
    const nonces = createDpopNonces();
    const listener = await createListener(verifier({ dpop: { nonces } }));
    const refused = await send(listener, '/things', dpop(boundToken));
    expect(refused.headers['www-authenticate']?.[0]).toMatch(/^DPoP error="use_dpop_nonce"/);
    const [nonce] = refused.headers['dpop-nonce'] as [string];
    const answer = await send(
      listener,
      '/things',
      dpop(boundToken, createProof(clientKey, boundToken, { claims: { nonce } })),
    );
    expect([answer.status, answer.headers['dpop-nonce']]).toEqual([200, [nonces.current()]]);
  });

  test('takes the target URI from configuration, not from the Host header', async () => {
    const listener = await createListener(verifier(), { baseUrl: 'https://gateway.example/api/' });
    const proofFor = (htu: string) => dpop(boundToken, createProof(clientKey, boundToken, { claims: { htu } }));
    expect((await send(listener, '/things', proofFor('https://gateway.example/api/things'))).status).toBe(200);
    expect((await send(listener, '/things', proofFor(TARGET))).status).toBe(401);
  });

  test('serves its metadata', async () => {
    const listener = await createListener(verifier(), {
      metadata: { scopes_supported: ['read', 'write'], resource_name: 'Things' },
    });
    const answer = await send(listener, '/.well-known/oauth-protected-resource');
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({
      'content-type': [expect.stringMatching(/^application\/json/)],
      'cache-control': ['public, max-age=300'],
      'access-control-allow-origin': ['*'],
    });
    expect(JSON.parse(answer.body)).toEqual({
      resource: AUDIENCE,
      authorization_servers: [ISSUER],
      scopes_supported: ['read', 'write'],
      bearer_methods_supported: ['header'],
      dpop_signing_alg_values_supported: ['ES256', 'PS256', 'EdDSA', 'Ed25519'],
      resource_name: 'Things',
    });
    const posted = await send(listener, '/.well-known/oauth-protected-resource', [], 'POST');
    expect([posted.status, posted.headers.allow]).toEqual([405, ['GET, HEAD']]);
  });

  test('serves its metadata behind the well-known part when the resource has a path', async () => {
    const listener = await createListener(verifier(), { resource: 'https://api.example/v1' });
    const answer = await send(listener, '/.well-known/oauth-protected-resource/v1');
    expect(JSON.parse(answer.body)).toMatchObject({ resource: 'https://api.example/v1' });
    const [challenge] = (await send(listener, '/things')).headers['www-authenticate'] as [string];
    expect(challenge).toContain('resource_metadata="https://api.example/.well-known/oauth-protected-resource/v1"');
  });

  test('wants a resource URL when no audience is one', async () => {
    await expect(createListener(verifier({ audience: 'urn:api' }))).rejects.toThrow(/resource must be given/);
  });
});
