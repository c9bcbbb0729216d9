import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import type { Account } from '../../src/accounts/account.ts';
import { basic, connect, obtainCode, post, signIn } from '../support/flow-client.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';
import { type RecordedStatement, recordStatements } from '../support/recorded-statements.ts';

/*
 * What a request of the hot path asks of the database, through everything that is around the engine. The client itself is not
 * counted: a node that is in use remembers it for a moment and reads it as often as that moment passes, not as often as it is asked.
 */

let flow: Flow;
let statements: RecordedStatement[];
let person: Account;
let client: { id: string; secret: string };
beforeAll(async () => {
  flow = await startFlow();
  person = await flow.people.create();
  client = await flow.register({
    metadata: { grant_types: ['authorization_code', 'refresh_token', 'client_credentials'] },
  });
  statements = recordStatements(flow.database.pool);
});
afterAll(() => flow?.close());

async function asked(request: () => Promise<unknown>): Promise<string[]> {
  statements.length = 0;
  await request();
  const names = statements.map(({ name, text }) => name?.split('.').slice(0, 2).join('.') ?? text);
  expect(names.filter((name) => name === 'clients.find').length).toBeLessThanOrEqual(1);
  return names.filter((name) => name !== 'clients.find');
}

test('a code exchange reads once and writes once, its record included', async () => {
  const { form } = await obtainCode(flow, client, person.id);
  const exchange = () => post(`${flow.issuer}/token`, form, basic(client));
  expect(await asked(exchange)).toEqual(['artifacts.find', 'artifacts.consume-save-record']);
});

test('a refresh reads once and writes once, its record included', async () => {
  const { tokens } = await signIn(flow, await connect(flow, client), person.id);
  const refresh = () =>
    post(`${flow.issuer}/token`, { grant_type: 'refresh_token', refresh_token: tokens.refresh_token! }, basic(client));
  expect(await asked(refresh)).toEqual(['artifacts.find', 'artifacts.consume-save-record']);
});

test('client credentials for an opaque token are one statement', async () => {
  const request = () => post(`${flow.issuer}/token`, { grant_type: 'client_credentials' }, basic(client));
  expect(await asked(request)).toEqual(['artifacts.save-record']);
});

test('introspection is one statement', async () => {
  const { tokens } = await signIn(flow, await connect(flow, client), person.id);
  const introspect = () => post(`${flow.issuer}/introspect`, { token: tokens.access_token }, basic(client));
  expect(await asked(introspect)).toEqual(['artifacts.find']);
});

test('userinfo is one statement', async () => {
  const config = await connect(flow, client);
  const { tokens } = await signIn(flow, config, person.id);
  const userinfo = () => oidc.fetchUserInfo(config, tokens.access_token, person.id);
  expect(await asked(userinfo)).toEqual(['artifacts.find']);
});

test('S-175 the record of a token is there when its answer is', async () => {
  const own = await flow.register({
    metadata: { grant_types: ['client_credentials', 'authorization_code', 'refresh_token'] },
  });
  const recorded = async () => {
    const { rows } = await flow.database.pool.query<{ grant: string }>(
      `SELECT details ->> 'grantType' AS grant FROM audit_events WHERE client_id = $1 AND type = 'token.issued' ORDER BY id`,
      [own.id],
    );
    return rows.map(({ grant }) => grant);
  };
  const config = await connect(flow, own);
  const { tokens } = await signIn(flow, config, person.id);
  expect(await recorded()).toEqual(['authorization_code']);
  const { refresh_token } = await oidc.refreshTokenGrant(config, tokens.refresh_token!);
  await oidc.clientCredentialsGrant(config);
  expect(await recorded()).toEqual(['authorization_code', 'refresh_token', 'client_credentials']);

  await oidc.refreshTokenGrant(config, refresh_token!);
  // Its successor was used: this is a replay, and nothing is issued.
  await expect(oidc.refreshTokenGrant(config, tokens.refresh_token!)).rejects.toMatchObject({ error: 'invalid_grant' });
  expect((await recorded()).length).toBe(4);
  const counted = flow.log.filter((line) => line.includes('"token.issued"') && line.includes(own.id));
  expect(counted).toHaveLength(4);
});
