/** A kid is a thumbprint in base64url (RFC 7638), and one in 64 begins like an option. */
const LOOKS_LIKE_OPTION = /^-[\w-]{42}$/;

/** Puts such names behind `--`, where nothing is an option: nobody is to learn of that in the middle of an emergency. */
export function withKeyNames(argv: readonly string[]): string[] {
  const isName = (text: string, index: number) => LOOKS_LIKE_OPTION.test(text) && argv[index - 1] !== '--reason';
  if (argv[0] !== 'keys' || argv.includes('--') || !argv.some(isName)) return [...argv];
  return [...argv.filter((text, index) => !isName(text, index)), '--', ...argv.filter(isName)];
}
