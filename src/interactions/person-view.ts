import type { Account } from '../accounts/account.ts';
import type { LoginPersonView, PersonView } from './views.ts';

export function personView({ name, userName, email }: Account): PersonView {
  const shown = name ?? userName ?? email?.address ?? '';
  const detail = email?.address ?? userName;
  return { name: shown, initial: initialOf(shown), ...(detail && detail !== shown && { detail }) };
}

/** Undefined for somebody who has nothing to type. */
export function loginPersonView(account: Account): LoginPersonView | undefined {
  const loginName = account.email?.address ?? account.userName;
  return loginName ? { ...personView(account), loginName } : undefined;
}

/** Made for the first name that is shown: it takes a while. */
let letters: Intl.Segmenter | undefined;

/** The first letter as people count letters, not as computers do. */
export function initialOf(name: string): string {
  letters ??= new Intl.Segmenter();
  const [first] = letters.segment(name.trim());
  return first?.segment.toLocaleUpperCase('en') ?? '';
}
