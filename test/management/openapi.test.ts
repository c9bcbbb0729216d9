import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import { createManagementRoutes } from '../../src/management/management.routes.ts';
import { operations } from '../../src/management/operations.ts';
import { type Api, startApi } from './api.ts';
import { document } from './document.ts';

const described = Object.entries(document.paths as Record<string, Record<string, { operationId: string }>>).flatMap(
  ([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
);

test('the document is valid OpenAPI 3.1', async () => {
  const { valid, errors } = await new Validator().validate(structuredClone(document));
  expect([valid, errors]).toEqual([true, undefined]);
  expect(document.openapi).toBe('3.1.0');
});

test('the one in docs is the one that is served', () => {
  expect(JSON.parse(readFileSync('docs/openapi.json', 'utf8'))).toEqual(document);
});

test('every route of the running code is in it, and the other way round', () => {
  const routes = createManagementRoutes({ issuer: 'https://id.example.com' } as never);
  const registered = routes.stack.flatMap(({ path, methods }) =>
    methods.filter((method) => method !== 'HEAD').map((method) => `${method} ${path}`),
  );
  const inDocument = described.map((each) => each.replace(' ', ' /api/v1').replaceAll(/\{(\w+)\}/g, ':$1'));
  const beside = ['GET /.well-known/oauth-protected-resource/api/v1', 'GET /api/v1/openapi.json'];
  expect(registered.sort()).toEqual([...inDocument, ...beside].sort());
});

test('names are unique, and everything says who may ask', () => {
  const all = Object.values(
    document.paths as Record<string, Record<string, { operationId: string; security: unknown[] }>>,
  ).flatMap((methods) => Object.values(methods));
  expect(new Set(all.map(({ operationId }) => operationId)).size).toBe(all.length);
  for (const { operationId, security } of all) {
    const isPublic = operations[operationId]!.scopes === 'public';
    expect([operationId, security.length === 0]).toEqual([operationId, isPublic]);
  }
});

test('answers name nothing that could be presented, but for a value at its making', () => {
  const { ApiKey, User, ServiceAccount } = document.components.schemas;
  for (const schema of [ApiKey, User, ServiceAccount]) {
    expect(Object.keys(schema.properties).filter((name) => /secret|digest|^key$|password|value/i.test(name))).toEqual(
      [],
    );
    expect(schema.additionalProperties).toBe(false);
  }
});

describe('held against the running service', () => {
  let api: Api;
  let bearer: string;
  let serviceAccount: string;
  let apiKey: string;
  beforeAll(async () => {
    api = await startApi();
    const administrator = await api.person({ isAdministrator: true });
    const scopes = [
      'profile:read',
      'api-keys:read',
      'api-keys:write',
      'service-accounts:read',
      'service-accounts:write',
    ];
    ({ value: bearer } = await api.key({ kind: 'user', id: administrator.id }, scopes));
    const account = await api.ask('POST', '/service-accounts', { bearer, body: { name: 'Nightly' } });
    serviceAccount = account.json.id;
    const made = await api.ask('POST', '/api-keys', { bearer, body: full('createApiKey') });
    apiKey = made.json.id;
  });
  afterAll(() => api.close());

  /** A body with every field that is documented. */
  function full(operationId: string): Record<string, unknown> {
    const access = { [api.resource]: ['profile:read'] };
    const details = { name: 'Whole', description: 'All fields', access };
    const key = { ...details, expiresAt: '2026-12-31T00:00:00Z', allowedAddresses: ['192.0.2.0/24'] };
    const expiresAt = new Date(Date.now() + 86_400_000).toISOString();
    switch (operationId) {
      case 'createApiKey':
      case 'changeApiKey':
        return { ...key, expiresAt };
      case 'rotateApiKey':
        return { overlapSeconds: 60, expiresAt };
      case 'createServiceAccount':
      case 'changeServiceAccount':
        return details;
      case 'reportFoundKeys':
        return { keys: ['sk-nothing'] };
      default:
        throw new Error(`no body for ${operationId}`);
    }
  }

  const withBody = Object.entries(operations).filter(([, { body }]) => body !== undefined);

  test.each(withBody)('%s takes every documented field, and no other', async (operationId, { method, path }) => {
    const at = path.replace('{id}', path.startsWith('/service') ? serviceAccount : apiKey);
    const body = full(operationId);
    const schema = document.paths[path][method.toLowerCase()].requestBody.content['application/json'].schema;
    expect(Object.keys(body).sort()).toEqual(Object.keys(schema.properties).sort());
    expect(schema.additionalProperties).toBe(false);
    const refused = await api.ask(method, at, { bearer, body: { ...body, surprise: true } });
    expect(refused).toMatchObject({ status: 400, json: { field: 'surprise' } });
    const taken = await api.ask(method, at, { bearer, body });
    expect([operationId, taken.status, taken.json.errors]).toEqual([
      operationId,
      operations[operationId]!.answer.status,
      undefined,
    ]);
  });

  test('serves it with its own addresses, and says when it has not changed', async () => {
    const { status, json, headers } = await api.ask('GET', '/openapi.json');
    expect([status, json.servers]).toEqual([200, [{ url: `${api.issuer}/api/v1` }]]);
    expect(json.paths).toEqual(document.paths);
    const conditional = { 'if-none-match': headers.get('etag')!, 'cache-control': 'max-age=0' };
    const again = await api.ask('GET', '/openapi.json', { headers: conditional });
    expect(again.status).toBe(304);
  });
});
