import type { Account } from '../accounts/account.ts';
import type { Federation } from '../accounts/federation.ts';
import type { OneTimeLinks } from '../accounts/one-time-links.ts';
import type { SignIn } from '../accounts/sign-in.ts';
import type { Mailbox } from '../platform/mail/mailbox.ts';
import type { UpstreamSignIns } from '../upstreams/sign-ins.ts';
import type { TokenVault } from '../upstreams/token-vault.ts';

// What the screens ask of the rest of the service, no more. app.ts hands in the real things.

export interface FindsAccounts {
  find(id: string): Promise<Account | undefined>;
}

/** Who can prove themselves here. */
export interface KnowsPasswords {
  hasPassword(id: string): Promise<boolean>;
}

export type SignsIn = Pick<SignIn, 'withPassword'>;

export type InvitesAccounts = Pick<OneTimeLinks, 'createInvitation'>;

/** Looking at a link changes nothing. */
export type OpensLinks = Pick<OneTimeLinks, 'find' | 'completeSetup' | 'completeSetPassword'>;

/** Mail that was kept instead of sent. */
export type KeepsMail = Pick<Mailbox, 'list'>;

/** Other providers that people may prove themselves at. */
export type SignsInElsewhere = Pick<UpstreamSignIns, 'list' | 'find' | 'begin' | 'interactionOf' | 'fateOf' | 'finish'>;

/** Who somebody known elsewhere is here. */
export type Federates = Pick<
  Federation,
  'signIn' | 'askForProof' | 'findLink' | 'isElsewhere' | 'keepForNewPassword' | 'completeLink'
>;

/** Where the operator wants an upstream's tokens kept. */
export type KeepsTokens = Pick<TokenVault, 'keep' | 'seal' | 'keepSealed'>;
