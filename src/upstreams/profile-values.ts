const LONGEST_TEXT = 256;
const LONGEST_ADDRESS = 254;
const LONGEST_URL = 2_048;

/** Text of one line that every database keeps; anything else counts as not said. */
export function textOf(value: unknown, longest = LONGEST_TEXT): string | undefined {
  if (typeof value !== 'string') return undefined;
  const text = value.trim();
  return text && text.length <= longest && !/[\p{Cc}\p{Cs}]/u.test(text) ? text : undefined;
}

/** S-111: verified is only what is flagged so by a true that is no text. */
export function emailOf(address: unknown, flag: unknown): { address: string; verified: boolean } | undefined {
  const text = textOf(address, LONGEST_ADDRESS);
  return text && /^[^\s@]+@[^\s@]+$/.test(text) ? { address: text, verified: flag === true } : undefined;
}

/** BCP 47, in its canonical spelling. */
export function localeOf(value: unknown): string | undefined {
  try {
    return Intl.getCanonicalLocales(textOf(value)?.replaceAll('_', '-') ?? [])[0];
  } catch {
    return undefined;
  }
}

/** Only where the provider keeps pictures: other addresses would tell somebody else who looks at whom. */
export function pictureOf(value: unknown, isHost: (host: string) => boolean): string | undefined {
  const text = textOf(value, LONGEST_URL);
  if (!text || !URL.canParse(text)) return undefined;
  const { protocol, hostname, port, username, password, href } = new URL(text);
  return protocol === 'https:' && !port && !username && !password && isHost(hostname) ? href : undefined;
}

/** Without the members that were not said. */
export function said<Values extends object>(
  values: Values,
): { [Key in keyof Values]?: Exclude<Values[Key], undefined> } {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [Key in keyof Values]?: Exclude<Values[Key], undefined> };
}
