import { randomInt } from 'node:crypto';

/** Client ids made here have this shape. They are public, so they need to be unique, not secret. */
const LENGTH = 20;
const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz';

const CHOSEN = /^[A-Za-z0-9][A-Za-z0-9._~-]{2,63}$/;

/** Subjects of people are UUIDs, with or without hyphens in the eyes of a careless reader. */
const UUID_LIKE = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;

/** The built-in client by which whoever has nothing but an API key gets tokens for it. */
export const API_KEYS_CLIENT_ID = 'api-keys';

/** The built-in client by which the pages for people's own accounts sign people in. */
export const ACCOUNT_CLIENT_ID = 'account';

const RESERVED: readonly string[] = [API_KEYS_CLIENT_ID, ACCOUNT_CLIENT_ID];

/** Anything else is no id of ours, and some of it PostgreSQL would refuse to read. */
const POSSIBLE = /^[\x21-\x7e]{1,64}$/;

export function isPossibleClientId(id: string): boolean {
  return POSSIBLE.test(id);
}

/** A random id: no client ever chooses its own. @see RFC 9700 4.15.1 */
export function generateClientId(): string {
  return Array.from({ length: LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
}

/**
 * Says what is wrong with an id chosen by an administrator, or nothing.
 * As the subject of client_credentials tokens it must never pass for a person, and as an audience never for an API's URI.
 */
export function chosenClientIdProblem(id: string): string | undefined {
  if (!CHOSEN.test(id)) return 'must be 3 to 64 letters, digits or . _ ~ -, beginning with a letter or digit';
  if (RESERVED.includes(id)) return 'belongs to this server';
  return UUID_LIKE.test(id) ? 'must not look like the id of a person (a UUID)' : undefined;
}
