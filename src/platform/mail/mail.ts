import type { Transaction } from '../outbox/outbox.ts';
import type { MailCause } from './mail-limits.ts';

/** Rendered by whoever sends it. Plain text. */
export interface MailMessage {
  /** One address. S-146 */
  recipient: string;
  /** Shown in the delivery log: no code and no link belongs here. */
  subject: string;
  text: string;
  /** Of the text, as BCP 47. */
  language: string;
  cause?: MailCause;
  /** Seconds after which nobody wants it any more. A week when left out. */
  usefulFor?: number;
}

export interface Mail {
  /** Sends once the transaction is committed, and not at all when it is not. */
  send(tx: Transaction, message: MailMessage): Promise<void>;
}
