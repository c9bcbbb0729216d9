export type AccountState = 'active' | 'disabled' | 'deleted';

/** A person. `id` is the subject of their tokens, never used for anybody else. */
export interface Account {
  id: string;
  userName?: string;
  name?: string;
  givenName?: string;
  familyName?: string;
  /** Web address. */
  picture?: string;
  locale?: string;
  zoneinfo?: string;
  /** The primary one. */
  email?: { address: string; verified: boolean };
  isAdministrator: boolean;
  state: AccountState;
  updatedAt: Date;
}

/** As it was read, with what a sign-in has to be held against. */
export interface StoredAccount extends Account {
  /** How often all access of this person was ended. What was begun under another number is void, however late it is stored. */
  accessGeneration: number;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether it can be the id of an account at all; PostgreSQL refuses to read anything else. */
export function isAccountId(text: string): boolean {
  return UUID.test(text);
}
