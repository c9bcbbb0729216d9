/** RFC 5321 4.1.2: one mailbox, dot-atom and host name in ASCII. No list, no display name, no comment, no source route. S-146 */
const ADDRESS =
  /^(?=.{3,254}$)(?=[^@]{1,64}@)[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i;

/** RFC 5322 2.1.1, with room for the name of the header. */
const LONGEST_SUBJECT = 200;

export interface MailSender {
  name?: string;
  address: string;
}

export function isOneAddress(text: unknown): text is string {
  return typeof text === 'string' && ADDRESS.test(text);
}

/** One line, whatever names went into it: a line break would begin another header. */
export function headerText(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
    .slice(0, LONGEST_SUBJECT);
}

/** RFC 5322 3.6.4, the same at every try: by it receivers and people tell a repetition. */
export function messageId(effectId: string, { address }: MailSender): string {
  return `<${effectId}@${address.slice(address.lastIndexOf('@') + 1)}>`;
}
