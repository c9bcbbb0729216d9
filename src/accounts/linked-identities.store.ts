import type { Transaction } from '../audit/audit.ts';

/** As its owner sees it, and those who help them. */
export interface LinkedIdentity {
  provider: string;
  subject: string;
  /** As the provider said it at the last sign-in; not the account's. */
  email?: { address: string; verified: boolean };
  name?: string;
  picture?: string;
  createdAt: Date;
  lastUsedAt: Date;
}

export interface Which {
  userId: string;
  provider: string;
  subject?: string;
}

export async function readIdentities(
  tx: Pick<Transaction, 'federatedIdentity'>,
  userId: string,
): Promise<LinkedIdentity[]> {
  const rows = await tx.federatedIdentity.findMany({
    where: { userId },
    orderBy: [{ createdAt: 'asc' }, { provider: 'asc' }, { subject: 'asc' }],
  });
  return rows.map(({ provider, subject, email, emailVerified, name, picture, createdAt, lastUsedAt }) => ({
    provider,
    subject,
    ...(email !== null && { email: { address: email, verified: emailVerified } }),
    ...(name !== null && { name }),
    ...(picture !== null && { picture }),
    createdAt,
    lastUsedAt,
  }));
}

export async function hasPassword(tx: Transaction, userId: string): Promise<boolean> {
  return (await tx.passwordCredential.count({ where: { userId } })) > 0;
}

/** Where the person has other identities than these, as far as the connections are open. */
export async function readOtherProviders(tx: Transaction, which: Which): Promise<string[]> {
  const { userId, provider } = which;
  const subject = which.subject ?? null;
  const rows = await tx.$queryRaw<{ provider: string }[]>`
    SELECT DISTINCT f.provider FROM federated_identities f
    WHERE f.user_id = ${userId}::uuid
      AND (f.provider <> ${provider} OR (${subject}::text IS NOT NULL AND f.subject <> ${subject}::text))
      AND NOT EXISTS (SELECT 1 FROM upstream_connections c WHERE c.provider = f.provider AND c.disabled_at IS NOT NULL)`;
  return rows.map((row) => row.provider);
}

/** Their upstream tokens go with them. */
export async function removeIdentities(tx: Transaction, which: Which): Promise<void> {
  await tx.federatedIdentity.deleteMany({ where: which });
}
