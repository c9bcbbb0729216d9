import { v7 as uuidv7 } from 'uuid';
import type { Prisma } from '../../generated/prisma/client.ts';

export type Transaction = Prisma.TransactionClient;

export interface KeptMessage {
  id: string;
  recipient: string;
  subject: string;
  text: string;
  createdAt: Date;
}

export async function insertMessage(
  tx: Transaction,
  message: { recipient: string; subject: string; text: string },
): Promise<void> {
  await tx.mailMessage.create({ data: { id: uuidv7(), ...message } });
}

export function readMessages(prisma: Pick<Transaction, 'mailMessage'>, limit: number): Promise<KeptMessage[]> {
  return prisma.mailMessage.findMany({ orderBy: { id: 'desc' }, take: limit });
}

/** Skips what another transaction is removing already. */
export async function removeAllBut(tx: Transaction, newest: number): Promise<void> {
  await tx.$executeRaw`DELETE FROM mail_messages WHERE id IN (
    SELECT id FROM mail_messages ORDER BY id DESC OFFSET ${newest}::int FOR UPDATE SKIP LOCKED)`;
}
