import type { Database } from '../database/database.ts';
import type { Mail } from './mail.ts';
import { insertMessage, type KeptMessage, readMessages, removeAllBut } from './mailbox.store.ts';

export type { KeptMessage } from './mailbox.store.ts';

/** Mail that is kept to be read on a page instead of being sent. */
export interface Mailbox extends Mail {
  /** Newest first. */
  list(): Promise<KeptMessage[]>;
}

const KEPT = 200;

export function createMailbox({ database }: { database: Pick<Database, 'prisma'> }): Mailbox {
  return {
    async send(tx, { recipient, subject, text }) {
      await insertMessage(tx, { recipient, subject, text });
      await removeAllBut(tx, KEPT);
    },
    list: () => readMessages(database.prisma, KEPT),
  };
}
