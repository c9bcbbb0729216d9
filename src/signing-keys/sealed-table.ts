import { rowIdentity } from './envelope.ts';

/** Where sealed rows are: a table with the columns wrapped_data_key and kek_id. The names stand in SQL as they are. */
export interface SealedTable {
  table: string;
  /** The columns of its primary key, which are text. */
  key: readonly string[];
  /** The column of the ciphertext; null once erased. */
  ciphertext: string;
  /** What the row was sealed for, by the values of `key` and of `uses`. */
  identityOf(values: readonly string[]): string;
  /** Further columns, of text, that belong to what it was sealed for. */
  uses?: readonly string[];
}

/** What this folder keeps. Others who seal with the same key say so with a table of their own. */
export const OWN_TABLES: readonly SealedTable[] = [
  {
    table: 'signing_keys',
    key: ['kid'],
    ciphertext: 'private_key',
    identityOf: ([kid]) => signingKeyIdentity(kid!),
  },
  {
    table: 'server_secrets',
    key: ['id'],
    uses: ['purpose'],
    ciphertext: 'sealed',
    identityOf: ([id, purpose]) => serverSecretIdentity(id!, purpose!),
  },
];

export function signingKeyIdentity(kid: string): string {
  return rowIdentity('signing_keys', kid, 'sig');
}

export function serverSecretIdentity(id: string, purpose: string): string {
  return rowIdentity('server_secrets', id, purpose);
}
