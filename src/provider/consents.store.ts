import type { Prisma } from '../generated/prisma/client.ts';
import type { Database } from '../platform/database/database.ts';
import { generationIn } from './session-adapter.ts';

export type Transaction = Prisma.TransactionClient;

/** What a person agreed to, for one client. */
export interface Consent {
  scopes: string[];
  claims: string[];
  /** By the registered identifier of the resource server. */
  resourceScopes: Record<string, string[]>;
}

export interface ConsentOwner {
  userId: string;
  clientId: string;
}

/** Waits for a withdrawal that is not committed yet: a grant must not be made of what is gone a moment later. */
const FIND = {
  name: 'consents.find',
  text: `SELECT scopes, claims, resource_scopes AS "resourceScopes" FROM consents WHERE user_id = $1 AND client_id = $2 FOR KEY SHARE`,
};

export async function findConsent(
  pool: Database['pool'],
  { userId, clientId }: ConsentOwner,
): Promise<Consent | undefined> {
  const { rows } = await pool.query<Consent>({ ...FIND, values: [userId, clientId] });
  return rows[0];
}

/** Only a person whose session stands can agree to something, and it stands until this transaction ends. S-158 */
export async function lockSession(tx: Transaction, session: { userId: string; uid: string }): Promise<boolean> {
  const rows = await tx.$queryRaw<{ generation: number; payload: string }[]>`
    SELECT u.access_generation AS generation, s.payload::text AS payload
    FROM users u JOIN protocol_artifacts s ON s.uid = ${session.uid} AND s.kind = 'Session' AND s.account_id = u.id::text
    WHERE u.id = ${session.userId}::uuid AND u.state = 'active' AND s.revoked_at IS NULL AND s.expires_at > now()
    FOR SHARE OF u`;
  return rows.some(({ generation, payload }) => (generationIn(JSON.parse(payload)) ?? 0) === generation);
}

/** Adds to what was agreed before. The row is locked in between, so two screens answered at once both count. */
export async function addConsent(tx: Transaction, { userId, clientId }: ConsentOwner, added: Consent): Promise<void> {
  await tx.$executeRaw`INSERT INTO consents (user_id, client_id) VALUES (${userId}::uuid, ${clientId}) ON CONFLICT DO NOTHING`;
  await tx.$queryRaw`SELECT 1 FROM consents WHERE user_id = ${userId}::uuid AND client_id = ${clientId} FOR UPDATE`;
  const where = { userId_clientId: { userId, clientId } };
  const before = await tx.consent.findUniqueOrThrow({ where });
  const resourceScopes = { ...(before.resourceScopes as Consent['resourceScopes']) };
  for (const [resource, scopes] of Object.entries(added.resourceScopes)) {
    resourceScopes[resource] = union(resourceScopes[resource], scopes);
  }
  await tx.consent.update({
    where,
    data: { scopes: union(before.scopes, added.scopes), claims: union(before.claims, added.claims), resourceScopes },
  });
}

function union(before: string[] = [], added: string[] = []): string[] {
  return [...new Set([...before, ...added])];
}
