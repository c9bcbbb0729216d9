import { type EmailAddress, parseEmailAddress } from './email-address.ts';
import { fitProfile, type Profile } from './profile.ts';
import { hasInvisibleCharacters } from './spelling.ts';

/** OpenID Connect Core 1.0 section 2, `sub`. */
const LONGEST_SUBJECT = 255;

/** Who somebody is at an upstream, as its answer was checked and understood by whoever asked it. */
export interface FederatedIdentity {
  provider: string;
  /** The provider's own stable id of the person: with `provider` the key, whatever the address. S-093 */
  subject: string;
  /** A missing flag is false. S-111 */
  email?: { address: string; verified: boolean };
  name?: string;
  givenName?: string;
  familyName?: string;
  picture?: string;
  locale?: string;
  userName?: string;
  hostedDomain?: string;
  authTime?: number;
}

/** What upstreams say and accounts keep. No time zone: nobody says it. */
export type SaidProfile = Omit<Profile, 'zoneinfo'>;

export const SAID_FIELDS = ['name', 'givenName', 'familyName', 'picture', 'locale'] as const;

/** The same in the forms that are kept and compared here. What does not fit is left out: the person cannot mend it. */
export interface ParsedIdentity {
  provider: string;
  subject: string;
  email?: EmailAddress & { verified: boolean };
  /** The domain that the provider itself answers for. */
  hostedDomain?: string;
  profile: SaidProfile;
}

/** Undefined when there is no subject to know anybody by. */
export function parseFederatedIdentity(identity: FederatedIdentity): ParsedIdentity | undefined {
  const { provider, subject, name, userName, givenName, familyName, picture, locale } = identity;
  if (subject === '' || subject.length > LONGEST_SUBJECT || hasInvisibleCharacters(subject)) return undefined;
  const { email, hostedDomain } = identity;
  const parsed = email && isAsProven(email.address) ? parseEmailAddress(email.address) : undefined;
  return {
    provider,
    subject,
    ...(parsed?.kind === 'valid' && { email: { ...parsed.email, verified: email?.verified === true } }),
    ...(hostedDomain !== undefined && { hostedDomain }),
    profile: fitProfile({ name: name?.trim() ? name : userName, givenName, familyName, picture, locale }),
  };
}

/**
 * What people type may be written in many ways. What a provider has verified is one mailbox, and another way to write it is the
 * mailbox of somebody else.
 */
function isAsProven(said: string): boolean {
  const address = said.trim();
  const at = address.lastIndexOf('@');
  const domain = address.slice(at + 1);
  return /^[\x21-\x7e]+$/.test(address.slice(0, at)) && domain.normalize('NFKC') === domain;
}
