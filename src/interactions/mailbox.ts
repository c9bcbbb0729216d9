import type { Context } from 'koa';
import type { KeepsMail } from './ports.ts';
import type { Screens } from './screens.ts';
import type { MailView } from './views.ts';

const LINK = /https?:\/\/[^\s<>"]+[^\s<>".,;:!?)\]]/g;

/** Mail of a service that sends none. Never in production: app.ts leaves the route out. S-178 */
export function createMailbox({ screens, mail }: { screens: Screens; mail: KeepsMail }) {
  return {
    async show(ctx: Context): Promise<void> {
      const messages = await mail.list();
      screens.show(ctx, 'mailbox', {
        messages: messages.map(({ id, recipient, subject, text, createdAt }) => ({
          id,
          recipient,
          subject,
          at: createdAt.toISOString(),
          parts: withLinks(text),
        })),
      });
    },
  };
}

function withLinks(text: string): MailView['parts'] {
  const parts: MailView['parts'] = [];
  let end = 0;
  for (const match of text.matchAll(LINK)) {
    if (match.index > end) parts.push({ text: text.slice(end, match.index) });
    parts.push({ text: match[0], href: match[0] });
    end = match.index + match[0].length;
  }
  if (end < text.length) parts.push({ text: text.slice(end) });
  return parts;
}
