import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { basic, obtainCode, post } from '../support/flow-client.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';

const FORM = { grant_type: 'client_credentials' };
const grant_types = ['client_credentials', 'authorization_code', 'refresh_token'];

let flow: Flow;
beforeAll(async () => {
  flow = await startFlow({ tokenRequests: 3 });
});
afterAll(() => flow.close());

const token = (form: Record<string, string>, headers: Record<string, string> = {}) =>
  post(`${flow.issuer}/token`, form, headers);

test('a client may ask for so many tokens, and is then told when to come again; others are not concerned', async () => {
  const client = await flow.register({ metadata: { grant_types } });
  for (let round = 0; round < 3; round++) expect((await token(FORM, basic(client))).status).toBe(200);
  const refused = await token(FORM, basic(client));
  expect([refused.status, refused.json.error]).toEqual([429, 'temporarily_unavailable']);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60);
  const other = await flow.register({ metadata: { grant_types } });
  expect((await token(FORM, basic(other))).status).toBe(200);
});

describe('S-175 that a client begins to be refused is on record, once', () => {
  /** What is on record of a client, once all that was said before is stored. */
  async function recordedOf(clientId: string) {
    await flow.audit.queue.tokenRefused({ clientId, error: 'last' }, {});
    const rows = await flow.database.prisma.auditEvent.findMany({ where: { clientId, type: 'client.throttled' } });
    return rows.map(({ details, address }) => ({ details, address }));
  }
  const row = { details: { limit: 'requests', retryAfter: expect.any(Number) }, address: '127.0.0.1' };

  test.each([
    [
      'one after the other',
      async (ask: () => Promise<unknown>) => [...Array(9)].reduce((before) => before.then(ask), ask()),
    ],
    ['all at once', (ask: () => Promise<unknown>) => Promise.all([...Array(40)].map(ask)).then(ask)],
  ])('%s', async (_how, askOften) => {
    const client = await flow.register({ metadata: { grant_types } });
    const other = await flow.register({ metadata: { grant_types } });
    expect((await token(FORM, basic(other))).status).toBe(200);
    await askOften(() => token(FORM, basic(client)));
    expect(await recordedOf(client.id)).toEqual([row]);
    expect(await recordedOf(other.id)).toEqual([]);
  });

  test('but not that somebody who is no client of ours asks', async () => {
    for (let round = 0; round < 10; round++) await token(FORM, basic({ id: 'nobody', secret: 'wrong' }));
    expect(await recordedOf('nobody')).toEqual([]);
  });
});

test('S-046 whoever does not know its secret cannot use up what a client may ask for', async () => {
  const client = await flow.register({ metadata: { grant_types } });
  for (let round = 0; round < 10; round++) {
    expect((await token(FORM, basic({ ...client, secret: 'wrong' }))).status).toBe(401);
    expect((await token({ ...FORM, client_id: client.id })).status).toBe(401);
  }
  expect((await token(FORM, basic(client))).status).toBe(200);
});

test('what a client asks in vain counts too', async () => {
  const client = await flow.register({ metadata: { grant_types } });
  const wrong = { grant_type: 'refresh_token', refresh_token: 'unknown' };
  for (let round = 0; round < 3; round++) expect((await token(wrong, basic(client))).status).toBe(400);
  expect((await token(wrong, basic(client))).status).toBe(429);
});

test('a public client is limited by address, and what people do with it elsewhere at the service goes on', async () => {
  const metadata = { token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'] };
  const client = await flow.register({ metadata });
  const wrong = { grant_type: 'refresh_token', refresh_token: 'unknown', client_id: client.id };
  for (let round = 0; round < 3; round++) expect((await token(wrong)).status).toBe(400);
  expect((await token(wrong)).status).toBe(429);
  const person = await flow.people.create();
  expect((await obtainCode(flow, { id: client.id }, person.id)).code).not.toBe('');
});
