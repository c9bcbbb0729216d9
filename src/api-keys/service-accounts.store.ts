import type { Pool } from 'pg';
import { v7 as uuidv7 } from 'uuid';
import type { Prisma } from '../generated/prisma/client.ts';
import { preparedStatement } from '../platform/database/prepared-statement.ts';
import { createStatementBatch } from '../platform/database/statement-batch.ts';
import type { Access } from './api-key.ts';
import type { Transaction } from './api-keys.store.ts';
import type { ActingServiceAccount, ServiceAccount } from './service-account.ts';

/**
 * In the order of their making, as the ids of people are, and never one of those: version 8, which a constraint of the table demands and
 * one of the people's refuses. @see RFC 9562 5.8
 */
export function newServiceAccountId(): string {
  const id = uuidv7();
  return `${id.slice(0, 14)}8${id.slice(15)}`;
}

interface ServiceAccountColumns {
  name: string;
  description: string | null;
  access: Access;
}

export async function insertServiceAccount(
  tx: Transaction,
  columns: ServiceAccountColumns & { createdBy: string | null },
): Promise<ServiceAccount> {
  return accountOf(await tx.serviceAccount.create({ data: { id: newServiceAccountId(), ...columns } }));
}

/** Also a deleted one. */
export async function readServiceAccount(tx: Transaction, id: string): Promise<ServiceAccount | undefined> {
  const row = await tx.serviceAccount.findUnique({ where: { id } });
  return row ? accountOf(row) : undefined;
}

/** Reads one that is about to change; whoever changes it too waits. */
export async function lockServiceAccount(tx: Transaction, id: string): Promise<ServiceAccount | undefined> {
  await tx.$queryRaw`SELECT id FROM service_accounts WHERE id = ${id}::uuid FOR NO KEY UPDATE`;
  return readServiceAccount(tx, id);
}

/** Oldest first, without the deleted. */
export async function readServiceAccounts(
  tx: Transaction,
  { after, limit }: { after?: string | undefined; limit: number },
): Promise<ServiceAccount[]> {
  const rows = await tx.serviceAccount.findMany({
    where: { state: { not: 'deleted' }, ...(after !== undefined && { id: { gt: after } }) },
    orderBy: { id: 'asc' },
    take: limit,
  });
  return rows.map(accountOf);
}

export async function updateServiceAccount(
  tx: Transaction,
  id: string,
  columns: ServiceAccountColumns,
): Promise<ServiceAccount> {
  return accountOf(await tx.serviceAccount.update({ where: { id }, data: columns }));
}

export async function setServiceAccountState(
  tx: Transaction,
  id: string,
  state: 'active' | 'disabled' | 'deleted',
): Promise<void> {
  await tx.serviceAccount.update({
    where: { id },
    data: {
      state,
      ...(state === 'deleted' ? { deletedAt: new Date() } : { disabledAt: state === 'disabled' ? new Date() : null }),
    },
  });
}

interface Row {
  id: string;
  name: string;
  state: string;
  access: Access;
}

/** The hot look-up, past row-level security by a function that may do that and nothing else: see the migration. */
export function createServiceAccountFinder(pool: Pool): (id: string) => Promise<ActingServiceAccount | undefined> {
  const query = preparedStatement<Row>(
    pool,
    'service_accounts.find',
    'SELECT * FROM service_accounts_by_id($1::uuid[])',
  );
  return createStatementBatch<string, ActingServiceAccount | undefined>({
    async send(ids) {
      const rows = await query([[...new Set(ids)]]);
      const byId = new Map(rows.map(({ state, ...row }) => [row.id, { ...row, isActive: state === 'active' }]));
      return ids.map((id) => byId.get(id));
    },
  });
}

function accountOf(row: Prisma.ServiceAccountGetPayload<object>): ServiceAccount {
  const { access, deletedAt: _, ...columns } = row;
  const known = Object.fromEntries(Object.entries(columns).filter(([, value]) => value !== null));
  return { ...(known as unknown as ServiceAccount), access: access as Access };
}
