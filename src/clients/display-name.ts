const MAX_LENGTH = 100;

/** Invisible and direction-changing characters make one name look like another on the consent page. */
const DECEPTIVE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\p{Cs}]/u;

/** Says what is wrong with a name that people will read and trust, or nothing. */
export function displayNameProblem(name: string): string | undefined {
  if (name.trim() !== name || name === '') return 'must not be empty or have spaces around it';
  if ([...name].length > MAX_LENGTH) return `must not be longer than ${MAX_LENGTH} characters`;
  return DECEPTIVE.test(name) ? 'must not have invisible or control characters' : undefined;
}
