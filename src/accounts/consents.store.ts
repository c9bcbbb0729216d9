import type { Transaction } from '../audit/audit.ts';

/** What somebody allowed an application, as they and those who help them see it. */
export interface RememberedConsent {
  clientId: string;
  clientName: string;
  scopes: string[];
  claims: string[];
  /** By the identifier of the resource server. */
  resourceScopes: Record<string, string[]>;
  createdAt: Date;
  updatedAt: Date;
}

/** Last changed first. */
export async function readConsents(tx: Pick<Transaction, 'consent'>, userId: string): Promise<RememberedConsent[]> {
  const consents = await tx.consent.findMany({
    where: { userId },
    include: { client: { select: { name: true } } },
    orderBy: [{ updatedAt: 'desc' }, { clientId: 'asc' }],
  });
  return consents.map(({ clientId, client, scopes, claims, resourceScopes, createdAt, updatedAt }) => ({
    clientId,
    clientName: client.name,
    scopes,
    claims,
    resourceScopes: resourceScopes as Record<string, string[]>,
    createdAt,
    updatedAt,
  }));
}
