/** Why a value is not accepted. Screens translate `<field>.<reason>`; `sentences` is for the command line. */
export type RefusalReason =
  | 'missing'
  | 'invalid'
  | 'too-short'
  | 'too-long'
  | 'invisible-characters'
  | 'mixed-scripts'
  | 'common'
  | 'personal';

export type AccountField =
  | 'userName'
  | 'email'
  | 'name'
  | 'givenName'
  | 'familyName'
  | 'picture'
  | 'locale'
  | 'zoneinfo'
  | 'password';

export interface Refusal {
  field: AccountField;
  reason: RefusalReason;
  /** English. */
  message: string;
}

export const sentences: Record<RefusalReason, string> = {
  missing: 'must not be empty',
  invalid: 'is not valid',
  'too-short': 'is too short',
  'too-long': 'is too long',
  'invisible-characters': 'must not have invisible or control characters',
  'mixed-scripts': 'must not mix letters of different scripts',
  common: 'is one of the first passwords that attackers try',
  personal: 'is too close to the name, the e-mail address or the name of the service',
};

export function refusal(field: AccountField, reason: RefusalReason): Refusal {
  return { field, reason, message: sentences[reason] };
}
