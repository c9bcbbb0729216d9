import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Account } from '../../src/accounts/account.ts';
import { OWN_API_SCOPES } from '../../src/api-keys/own-api.ts';
import { type Api, startApi } from './api.ts';

let api: Api;
let administrator: Account;
/** Of an administrator: nothing is refused for want of a scope. */
let bearer: string;
/** Another one of theirs, which is asked to change. */
let target: string;
beforeAll(async () => {
  api = await startApi();
  administrator = await api.person({ isAdministrator: true });
  const owner = { kind: 'user', id: administrator.id } as const;
  const scopes = OWN_API_SCOPES.map(({ name }) => name);
  ({ value: bearer } = await api.key(owner, scopes));
  target = (await api.key(owner, ['profile:read'])).apiKey.id;
});
afterAll(() => api.close());

describe('S-172, S-177 nothing that can be sent is an error of ours:', () => {
  const good = (more: string) => `{"name":"x","access":{"RESOURCE":["profile:read"]},${more}}`;
  const bodies: [string, string][] = [
    ['NUL in a name', '{"name":"a\\u0000","access":{"RESOURCE":[]}}'],
    ['half a character in a name', '{"name":"a\\ud800","access":{"RESOURCE":[]}}'],
    ['NUL in the name of a resource server', '{"name":"x","access":{"\\u0000":["a"]}}'],
    ['half a character there', '{"name":"x","access":{"\\ud800":["a"]}}'],
    ['a property of every object', '{"name":"x","access":{"__proto__":["a"],"constructor":[]}}'],
    ['one as a field', good('"__proto__":{"isAdministrator":true}')],
    ['NUL in a description', good('"description":"\\u0000"')],
    ['a year that has no spelling', good('"expiresAt":"9999-12-31T23:59:59-23:59"')],
    ['the year 0', good('"expiresAt":"0000-01-01T00:00:00Z"')],
    ['an address with a zone', good('"allowedAddresses":["fe80::1%eth0"]')],
    ['a block larger than what it maps', good('"allowedAddresses":["::ffff:0:0/95"]')],
    ['objects where texts belong', '{"name":{"$ne":1},"access":{"RESOURCE":{"length":1}}}'],
    ['a list', '[]'],
    ['nothing', 'null'],
    ['not even that', ''],
    ['depth', '['.repeat(60_000)],
    ['depth in members', '{"a":'.repeat(10_000)],
    ['length', `{"name":"${'a'.repeat(70_000)}"}`],
    ['bytes that are no text', '\ud800'],
  ];
  const operations: [string, string, string][] = [
    ['POST', '/api-keys', ''],
    ['PATCH', '/api-keys/', ''],
    ['POST', '/api-keys/', '/rotate'],
    ['POST', '/service-accounts', ''],
    ['POST', '/api-keys/found', ''],
  ];

  test.each(bodies)('%s', async (_what, text) => {
    for (const [method, path, step] of operations) {
      const raw = text.replaceAll('RESOURCE', api.resource);
      const { status, json } = await api.ask(method, path.endsWith('/') ? path + target + step : path, {
        bearer,
        raw: raw === '\ud800' ? new Uint8Array([0x22, 0xff, 0xfe, 0x22]) : raw,
        headers: { 'content-type': 'application/json' },
      });
      expect([path, [400, 413].includes(status), json.status]).toEqual([path, true, status]);
    }
  });

  test.each(['%00', '%ff', '%', 'x-of-3000', '%F0%9F%98%80', '__proto__', '..%2f..', '%0d%0aX:1'])(
    'an id that is %s',
    async (named) => {
      const id = named === 'x-of-3000' ? 'x'.repeat(3_000) : named;
      for (const path of ['/me/sessions/', '/api-keys/', '/service-accounts/']) {
        expect([400, 404]).toContain((await api.ask('DELETE', path + id, { bearer })).status);
      }
      expect([400, 404]).toContain((await api.ask('GET', `/users/${id}`, { bearer })).status);
    },
  );

  test.each(['limit=0', 'limit=1&limit=2', 'cursor=%00', 'cursor=x', 'owner=user:x', 'owner=user:%00', '__proto__=1'])(
    'a list asked for with %s',
    async (query) => {
      expect((await api.ask('GET', `/api-keys?${query}`, { bearer })).status).toBe(400);
    },
  );

  test('and whoever asks afterwards is answered', async () => {
    for (const path of ['/api-keys', '/api-keys?owner=any', '/users', '/service-accounts']) {
      expect((await api.ask('GET', path, { bearer })).status).toBe(200);
    }
  });
});

test('S-169 a key that is bound to addresses is not taken from elsewhere because a header says so', async () => {
  const owner = { kind: 'user', id: administrator.id } as const;
  const { value } = await api.key(owner, ['profile:read'], { allowedAddresses: ['192.0.2.7'] });
  for (const name of ['x-forwarded-for', 'forwarded', 'x-real-ip', 'true-client-ip']) {
    const headers = { [name]: name === 'forwarded' ? 'for=192.0.2.7' : '192.0.2.7' };
    expect((await api.ask('GET', '/me', { bearer: value, headers })).status).toBe(401);
  }
});
