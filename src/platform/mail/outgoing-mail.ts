import type { Outbox } from '../outbox/outbox.ts';
import type { Mail } from './mail.ts';

/** The kind of effect. */
export const MAIL = 'mail';

const WEEK = 7 * 86_400;

/** What is sealed in the outbox. The address stands beside it, in the delivery log. */
export interface MailPayload {
  subject: string;
  text: string;
}

/** Mail that is sent, by whichever node comes first and has a server for it. */
export function createOutgoingMail({ outbox }: { outbox: Pick<Outbox, 'add'> }): Mail {
  return {
    async send(tx, { recipient, subject, text, usefulFor = WEEK }) {
      const payload: MailPayload = { subject, text };
      await outbox.add(tx, { kind: MAIL, target: recipient, summary: subject, payload, usefulFor });
    },
  };
}
