import type { Outbox } from '../outbox/outbox.ts';
import type { Mail } from './mail.ts';
import type { MailCause } from './mail-limits.ts';

/** The kind of effect. */
export const MAIL = 'mail';

const WEEK = 7 * 86_400;

/** What is sealed in the outbox. The address stands beside it, in the delivery log. */
export interface MailPayload {
  subject: string;
  text: string;
  /** Absent in what was written by a release that sent text alone. */
  language?: string;
  cause?: MailCause;
}

/** Mail that is sent, by whichever node comes first and has a server for it. */
export function createOutgoingMail({ outbox }: { outbox: Pick<Outbox, 'add'> }): Mail {
  return {
    async send(tx, { recipient, subject, text, language, cause, usefulFor = WEEK }) {
      const payload: MailPayload = { subject, text, language, ...(cause && { cause }) };
      await outbox.add(tx, { kind: MAIL, target: recipient, summary: subject, payload, usefulFor });
    },
  };
}
