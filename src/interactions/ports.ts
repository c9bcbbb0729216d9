import type { Account } from '../accounts/account.ts';
import type { OneTimeLinks } from '../accounts/one-time-links.ts';
import type { SignIn } from '../accounts/sign-in.ts';
import type { Mailbox } from '../platform/mail.ts';

// What the screens ask of the rest of the service, no more. app.ts hands in the real things.

export interface FindsAccounts {
  find(id: string): Promise<Account | undefined>;
}

export type SignsIn = Pick<SignIn, 'withPassword'>;

export type InvitesAccounts = Pick<OneTimeLinks, 'createInvitation'>;

/** Looking at a link changes nothing. */
export type OpensLinks = Pick<OneTimeLinks, 'find' | 'completeSetup' | 'completeSetPassword'>;

/** Mail that was kept instead of sent. */
export type KeepsMail = Pick<Mailbox, 'list'>;
