import { asciiDomain, type EmailAddress } from './email-address.ts';

/** Who may get an account by themselves. It binds every way in that could make one. S-102 */
export interface SignUpOptions {
  policy: 'open' | 'closed' | 'domains';
  /** For `domains`: each exactly, without what is below it, and only by a provider that answers for it. */
  domains: string[];
}

export type SignUpRefusal = 'sign_up_closed' | 'domain_not_allowed';

/** Undefined when an account may be made for the address, as somebody says who answers for `hostedDomain`. */
export type SignUpPolicy = (email: EmailAddress, hostedDomain?: string) => SignUpRefusal | undefined;

/**
 * Who once had an address of a domain keeps an account elsewhere that says so, out of reach of those who run the domain. So a domain
 * opens only by a provider that runs its accounts, and says so. S-094
 */
export function createSignUpPolicy({ policy, domains }: SignUpOptions): SignUpPolicy {
  const allowed = new Set(domains.map((domain) => asciiDomain(domain.trim())).filter((domain) => domain !== ''));
  return ({ address }, hostedDomain = '') => {
    if (policy === 'open') return undefined;
    if (policy !== 'domains') return 'sign_up_closed';
    const domain = address.slice(address.lastIndexOf('@') + 1);
    // One of two listed domains answers for its own addresses, not for those of the other.
    return allowed.has(domain) && asciiDomain(hostedDomain) === domain ? undefined : 'domain_not_allowed';
  };
}
