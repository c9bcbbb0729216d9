import bowser from 'bowser';

const LONGEST_USER_AGENT = 512;

/** The header as it may be kept and shown: cut, without control characters. */
export function printableUserAgent(userAgent: string | undefined): string | undefined {
  // Headers arrive as Latin-1, so there is nothing else to remove.
  return (
    userAgent
      ?.slice(0, LONGEST_USER_AGENT)
      .replace(/\p{Cc}/gu, '')
      .trim() || undefined
  );
}

/** What a person recognises: "Chrome, Windows", "Safari, iPhone". Undefined when the header says nothing. */
export function deviceName(userAgent: string | undefined): string | undefined {
  const header = printableUserAgent(userAgent);
  if (!header) return undefined;
  const { browser, os, platform } = bowser.parse(header);
  const parts = [browser.name, platform.model ?? os.name].filter((part): part is string => Boolean(part));
  return parts.length > 0 ? parts.join(', ') : undefined;
}
