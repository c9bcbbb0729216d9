import { TOKEN_EXCHANGE } from '../../src/clients/client-metadata.ts';
import { API_KEY_TOKEN_TYPE } from '../../src/provider/grants/exchange-request.ts';
import { post } from './flow-client.ts';

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
