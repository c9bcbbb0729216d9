import { asciiDomain, type EmailAddress } from './email-address.ts';

/** Who may get an account by themselves. It binds every way in that could make one. S-102 */
export interface SignUpOptions {
  policy: 'open' | 'closed' | 'domains';
  /** For `domains`: each exactly, without what is below it. */
  domains: string[];
}

export type SignUpRefusal = 'sign_up_closed' | 'domain_not_allowed';

/** Undefined when an account may be made for the address. */
export type SignUpPolicy = (email: EmailAddress) => SignUpRefusal | undefined;

export function createSignUpPolicy({ policy, domains }: SignUpOptions): SignUpPolicy {
  const allowed = new Set(domains.map((domain) => asciiDomain(domain.trim())).filter((domain) => domain !== ''));
  return ({ address }) => {
    if (policy === 'open') return undefined;
    if (policy !== 'domains') return 'sign_up_closed';
    return allowed.has(address.slice(address.lastIndexOf('@') + 1)) ? undefined : 'domain_not_allowed';
  };
}
