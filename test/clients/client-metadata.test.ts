import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { parseClientMetadata } from '../../src/clients/client-metadata.ts';

const web = { redirect_uris: ['https://app.example.com/cb'] };
const machine = { grant_types: ['client_credentials'] };

function publicKey(type: 'ec' | 'ed25519' | 'rsa', options: object = {}): Record<string, unknown> {
  const pair = generateKeyPairSync(type as 'ec', { namedCurve: 'P-256', ...options } as { namedCurve: string });
  return { ...pair.publicKey.export({ format: 'jwk' }), kid: type };
}

function privateKey(): Record<string, unknown> {
  return { ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }) };
}

function problemsOf(input: unknown): { field: string; message: string }[] {
  const result = parseClientMetadata(input);
  return result.kind === 'invalid' ? result.problems : [];
}

function metadataOf(input: unknown) {
  const result = parseClientMetadata(input);
  if (result.kind === 'invalid') throw new Error(JSON.stringify(result.problems));
  return result.metadata;
}

test('defaults are those of RFC 7591', () => {
  expect(metadataOf(web)).toEqual({
    ...web,
    post_logout_redirect_uris: [],
    grant_types: ['authorization_code'],
    response_types: ['code'],
    token_endpoint_auth_method: 'client_secret_basic',
    application_type: 'web',
  });
});

test('a client without the code grant has no response type and needs no redirect URI', () => {
  expect(metadataOf(machine)).toMatchObject({ response_types: [], redirect_uris: [] });
});

test('every supported member is kept', () => {
  const everything = {
    ...web,
    post_logout_redirect_uris: ['https://app.example.com/bye'],
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
    response_types: ['code'],
    response_modes: ['query', 'form_post'],
    token_endpoint_auth_method: 'private_key_jwt',
    application_type: 'web',
    jwks: { keys: [publicKey('ec'), publicKey('ed25519'), publicKey('rsa', { modulusLength: 2048 })] },
    scope: 'openid profile email',
    client_uri: 'https://app.example.com',
    logo_uri: 'https://app.example.com/logo.png',
    policy_uri: 'https://app.example.com/privacy',
    tos_uri: 'https://app.example.com/terms',
    contacts: ['ops@example.com'],
    id_token_signed_response_alg: 'EdDSA',
    userinfo_signed_response_alg: 'PS256',
    default_max_age: 0,
    require_auth_time: true,
    require_pushed_authorization_requests: true,
    dpop_bound_access_tokens: true,
    initiate_login_uri: 'https://app.example.com/login',
    subject_type: 'public',
    access_token_lifetime: 300,
    id_token_lifetime: 300,
    refresh_token_lifetime: 3600,
  };
  expect(metadataOf(everything)).toEqual(everything);
});

test('unknown members are refused by name, all of them', () => {
  expect(
    problemsOf({ ...web, client_secret: 'mine', software_id: 'x' })
      .map(({ field }) => field)
      .sort(),
  ).toEqual(['client_secret', 'software_id']);
});

test('S-050 a client can choose neither its id nor claims of a person', () => {
  const fields = problemsOf({ ...web, client_id: 'me', sub: 'you', email: 'a@example.com' }).map(({ field }) => field);
  expect(fields.sort()).toEqual(['client_id', 'email', 'sub']);
});

describe('metadata is refused when', () => {
  test.each<[string, unknown, string]>([
    ['it is no object', 'text', 'metadata'],
    ['it is a list', [], 'metadata'],
    ['a list is expected and text is there', { redirect_uris: 'https://app.example.com/cb' }, 'redirect_uris'],
    ['text is expected and an object is there', { redirect_uris: [{}] }, 'redirect_uris.0'],
    ['the code grant has no redirect URI', {}, 'redirect_uris'],
    ['a redirect URI is bad', { redirect_uris: [...web.redirect_uris, 'javascript:1'] }, 'redirect_uris.1'],
    ['an address is repeated', { redirect_uris: [...web.redirect_uris, ...web.redirect_uris] }, 'redirect_uris'],
    [
      'a sign-out address is bad',
      { ...web, post_logout_redirect_uris: ['http://a.example'] },
      'post_logout_redirect_uris.0',
    ],
    ['S-048 the grant is password', { ...web, grant_types: ['password'] }, 'grant_types.0'],
    ['S-048 the grant is implicit', { ...web, grant_types: ['implicit'] }, 'grant_types.0'],
    ['S-009 the response type is token', { ...web, response_types: ['token'] }, 'response_types.0'],
    ['S-009 the response type is a hybrid', { ...web, response_types: ['code id_token'] }, 'response_types.0'],
    ['the code grant has no response type', { ...web, response_types: [] }, 'response_types'],
    ['a machine has a response type', { ...machine, response_types: ['code'] }, 'response_types'],
    ['refresh_token stands alone', { grant_types: ['refresh_token'] }, 'grant_types'],
    [
      'S-049 a public client wants client_credentials',
      { ...machine, token_endpoint_auth_method: 'none' },
      'grant_types',
    ],
    [
      'the secret would have to be kept in clear',
      { ...web, token_endpoint_auth_method: 'client_secret_jwt' },
      'token_endpoint_auth_method',
    ],
    ['private_key_jwt has no key', { ...web, token_endpoint_auth_method: 'private_key_jwt' }, 'jwks'],
    [
      'both kinds of keys are there',
      { ...web, jwks: { keys: [publicKey('ec')] }, jwks_uri: 'https://a.example/k' },
      'jwks_uri',
    ],
    ['S-082 a private key was sent', { ...web, jwks: { keys: [privateKey()] } }, 'jwks'],
    ['a symmetric key was sent', { ...web, jwks: { keys: [{ kty: 'oct', k: 'AAAA' }] } }, 'jwks'],
    ['S-082 an RSA key is short', { ...web, jwks: { keys: [publicKey('rsa', { modulusLength: 1024 })] } }, 'jwks'],
    ['a key is no key', { ...web, jwks: { keys: [{ kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' }] } }, 'jwks'],
    ['there is no key in the set', { ...web, jwks: { keys: [] } }, 'jwks'],
    ['two keys share a kid', { ...web, jwks: { keys: [publicKey('ec'), publicKey('ec')] } }, 'jwks'],
    ['the keys are fetched over plain http', { ...web, jwks_uri: 'http://a.example/k' }, 'jwks_uri'],
    ['the logo is a script', { ...web, logo_uri: 'javascript:1' }, 'logo_uri'],
    ['the logo is plain http', { ...web, logo_uri: 'http://a.example/logo.png' }, 'logo_uri'],
    [
      'sign-in is initiated over plain http',
      { ...web, initiate_login_uri: 'http://localhost/login' },
      'initiate_login_uri',
    ],
    ['the scope has a quote', { ...web, scope: 'openid "x"' }, 'scope'],
    ['a scope is repeated', { ...web, scope: 'openid openid' }, 'scope'],
    ['a contact is no address', { ...web, contacts: ['nobody'] }, 'contacts.0'],
    [
      'S-043 the ID token would be unsigned',
      { ...web, id_token_signed_response_alg: 'none' },
      'id_token_signed_response_alg',
    ],
    [
      'the ID token would be signed by the secret',
      { ...web, id_token_signed_response_alg: 'HS256' },
      'id_token_signed_response_alg',
    ],
    ['the subject would be pairwise', { ...web, subject_type: 'pairwise' }, 'subject_type'],
    ['max age is negative', { ...web, default_max_age: -1 }, 'default_max_age'],
    ['the lifetime is no number', { ...web, access_token_lifetime: '300' }, 'access_token_lifetime'],
    ['the lifetime is a fraction', { ...web, access_token_lifetime: 300.5 }, 'access_token_lifetime'],
    ['the life of ID tokens is longer than a day', { ...web, id_token_lifetime: 86_401 }, 'id_token_lifetime'],
    ['the life of refresh tokens is seconds', { ...web, refresh_token_lifetime: 59 }, 'refresh_token_lifetime'],
    ['the lifetime is longer than a day', { ...web, access_token_lifetime: 86_401 }, 'access_token_lifetime'],
  ])('%s', (_, input, field) => {
    expect(problemsOf(input).map((problem) => problem.field)).toContain(field);
  });
});

describe('the application type, when it is not given, is', () => {
  const none = { token_endpoint_auth_method: 'none' };
  test.each<[string, Record<string, unknown>, string]>([
    [
      'native for a public client on loopback',
      { ...none, redirect_uris: ['http://127.0.0.1/cb', 'http://[::1]/cb'] },
      'native',
    ],
    ['native for a public client on localhost', { ...none, redirect_uris: ['http://localhost:1234/cb'] }, 'native'],
    [
      'native for a private scheme',
      { ...none, redirect_uris: ['com.example.app:/cb', 'http://127.0.0.1/cb'] },
      'native',
    ],
    ['web for a public client elsewhere', { ...none, ...web }, 'web'],
    [
      'web when one address is elsewhere',
      { ...none, redirect_uris: ['http://localhost/cb', ...web.redirect_uris] },
      'web',
    ],
    ['web for a client with a secret, also on loopback', { redirect_uris: ['http://localhost:3001/cb'] }, 'web'],
    ['web without addresses', machine, 'web'],
  ])('%s', (_, input, expected) => {
    expect(metadataOf(input).application_type).toBe(expected);
  });
});
