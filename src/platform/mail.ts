import type { Database } from './database/database.ts';
import { insertMessage, type KeptMessage, readMessages, removeAllBut, type Transaction } from './mail.store.ts';

export type { KeptMessage } from './mail.store.ts';

/** Rendered by whoever sends it. Plain text. */
export interface MailMessage {
  recipient: string;
  subject: string;
  text: string;
}

export interface Mail {
  /** Sends once the transaction is committed, and not at all when it is not. */
  send(tx: Transaction, message: MailMessage): Promise<void>;
}

/** Mail that is kept to be read on a page instead of being sent. */
export interface Mailbox extends Mail {
  /** Newest first. */
  list(): Promise<KeptMessage[]>;
}

const KEPT = 200;

export function createMailbox({ database }: { database: Pick<Database, 'prisma'> }): Mailbox {
  return {
    async send(tx, message) {
      await insertMessage(tx, message);
      await removeAllBut(tx, KEPT);
    },
    list: () => readMessages(database.prisma, KEPT),
  };
}
