import { emailAddressKey } from './email-address.ts';
import { userNameKey } from './user-name.ts';

/** Longer than any name or address can be; what is typed beyond makes no difference. */
const LONGEST = 512;

/** What somebody typed to say who they are, in the forms that accounts are looked up by. */
export interface Login {
  userNameKey?: string;
  addressKey?: string;
}

/** Never fails: what cannot be a login is one that nobody has. Only addresses have an `@`. */
export function parseLogin(typed: string): Login {
  // PostgreSQL text has no NUL, and a lone surrogate is no text at all.
  const text = typed
    .slice(0, LONGEST)
    .replace(/[\0\p{Cs}]/gu, '\u{fffd}')
    .normalize('NFKC');
  return text.includes('@') ? { addressKey: emailAddressKey(text) } : { userNameKey: userNameKey(text) };
}
