import { afterAll, beforeAll, beforeEach } from '@jest/globals';
import type { Account } from '../../src/accounts/account.ts';
import { TOKEN_EXCHANGE } from '../../src/clients/client-metadata.ts';
import { API_KEY_TOKEN_TYPE } from '../../src/provider/grants/exchange-request.ts';
import { post } from './flow-client.ts';
import { type Flow, startFlow } from './flow-server.ts';

/** An empty list leaves a parameter out. */
export type ExchangeForm = Record<string, string | string[]>;

/** A token for an API key without a library in between: repeated and missing parameters included. By the built-in client unless told. */
export function exchangeKey(
  { issuer }: { issuer: string },
  key: string,
  form: ExchangeForm = {},
  headers: Record<string, string> = {},
) {
  const parameters = new URLSearchParams();
  const all: ExchangeForm = {
    grant_type: TOKEN_EXCHANGE,
    subject_token: key,
    subject_token_type: API_KEY_TOKEN_TYPE,
    ...(headers.authorization === undefined && { client_id: 'api-keys' }),
    ...form,
  };
  for (const [name, values] of Object.entries(all)) for (const value of [values].flat()) parameters.append(name, value);
  return post(`${issuer}/token`, parameters.toString(), headers);
}

export const API = 'https://api.example.com/';
/** Its tokens live for two minutes. */
export const OTHER = 'https://other.example.com/';
export const OPAQUE = 'https://opaque.example.com/';

/** The protocol with three APIs for the tests of a file, and for each of them somebody new. */
export function useExchanges(hand: (world: { flow: Flow; person: Account }) => void) {
  let flow: Flow;
  let person: Account;
  beforeAll(async () => {
    flow = await startFlow();
    const scopes = ['read', 'write', 'erase'].map((name) => ({ name, description: name }));
    await flow.registerResource({ identifier: API, name: 'API', scopes });
    await flow.registerResource({ identifier: OTHER, name: 'Other', scopes, accessTokenLifetime: 120 });
    await flow.registerResource({ identifier: OPAQUE, name: 'Opaque', scopes, accessTokenFormat: 'opaque' });
  });
  afterAll(() => flow.close());
  beforeEach(async () => {
    person = await flow.people.create();
    hand({ flow, person });
  });
  return {
    exchange: (key: string, form?: ExchangeForm, headers?: Record<string, string>) =>
      exchangeKey(flow, key, form, headers),
    /** A key of theirs. */
    keyOf: (access: Record<string, string[]>, more = {}) =>
      flow.apiKeys.make({ kind: 'user', id: person.id }, { access, ...more }),
    /** A client that may exchange for the first API. */
    register: (metadata: Record<string, unknown> = {}, more = {}) =>
      flow.register({
        metadata: { grant_types: [TOKEN_EXCHANGE], redirect_uris: [], ...metadata },
        resources: [API],
        ...more,
      }),
  };
}
