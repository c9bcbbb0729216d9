import { type CommonPasswords, loadCommonPasswords } from './common-passwords.ts';
import { type Refusal, refusal } from './refusal.ts';

const LONGEST = 256;
const MOST_BYTES = 1_024;

/** What somebody who guesses would try first for this person. */
export interface PasswordOwner {
  userName?: string;
  email?: string;
  name?: string;
}

/** `count` is the length asked for. */
export type PasswordProblem = Refusal & { field: 'password'; count?: number };

export interface PasswordPolicy {
  /** What is wrong with a password that somebody wants to have, or nothing. */
  check(password: string, owner: PasswordOwner): Promise<PasswordProblem | undefined>;
}

/**
 * Length and a block list, nothing else: no composition rules, no expiry. Length counts code points after NFC. S-113 to S-117
 * @see NIST SP 800-63B-4 section 3.1.1.2
 */
export function createPasswordPolicy(options: { minimumLength: number; serviceName: string }): PasswordPolicy {
  const { minimumLength, serviceName } = options;
  let loading: Promise<CommonPasswords> | undefined;

  return {
    async check(password, owner) {
      if (password === '') return problem('missing');
      if (/\p{Cs}/u.test(password)) return problem('invalid');
      const text = password.normalize('NFC');
      const { length } = [...text];
      if (length < minimumLength) return { ...problem('too-short'), count: minimumLength };
      if (length > LONGEST || Buffer.byteLength(text) > MOST_BYTES) return { ...problem('too-long'), count: LONGEST };
      loading ??= loadCommonPasswords();
      const common = await loading;
      if (common.isMadeOf(text, wordsOf(owner, serviceName))) return problem('personal');
      return common.has(text) ? problem('common') : undefined;
    },
  };
}

/** Names with and without their spaces, addresses with and without their domain. */
function wordsOf({ userName, email, name }: PasswordOwner, serviceName: string): string[] {
  const words = [userName, email, email?.split('@')[0], ...spellings(name), ...spellings(serviceName)];
  return words.filter((word) => word !== undefined);
}

function spellings(name: string | undefined): string[] {
  return name === undefined ? [] : [name, name.replaceAll(/\s/gu, ''), ...name.split(/\s+/u)];
}

function problem(reason: Refusal['reason']): PasswordProblem {
  return { ...refusal('password', reason), field: 'password' };
}
