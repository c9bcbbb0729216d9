import type { RefusalReason } from '../accounts/refusal.ts';
import type { Message } from '../platform/http/messages.ts';

/** The field of the form for a field of an account. */
const FIELDS: Record<string, string> = { userName: 'user_name' };

const GENERAL: Record<RefusalReason | 'taken', Message> = {
  missing: { key: 'field.missing' },
  invalid: { key: 'field.invalid' },
  'too-short': { key: 'field.too-short' },
  'too-long': { key: 'field.too-long' },
  'invisible-characters': { key: 'field.invisible-characters' },
  'mixed-scripts': { key: 'field.mixed-scripts' },
  common: { key: 'password.common' },
  personal: { key: 'password.personal' },
  taken: { key: 'field.taken' },
};

const SPECIAL: Record<string, Message> = {
  'userName.invalid': { key: 'user-name.invalid' },
  'email.invalid': { key: 'email.invalid' },
  'password.missing': { key: 'password.missing' },
  'password.invalid': { key: 'password.refused' },
  'password.too-long': { key: 'password.too-long' },
};

/** What to say beside a field whose value was not accepted. */
export function fieldProblem(
  { field, reason, count }: { field: string; reason: string; count?: number },
  { minimumPasswordLength }: { minimumPasswordLength: number },
): Record<string, Message> {
  const name = FIELDS[field] ?? field;
  if (field === 'password' && reason === 'too-short') {
    return { [name]: { key: 'password.too-short', args: { count: count ?? minimumPasswordLength } } };
  }
  const general = Object.hasOwn(GENERAL, reason) ? GENERAL[reason as RefusalReason] : GENERAL.invalid;
  return { [name]: SPECIAL[`${field}.${reason}`] ?? general };
}
