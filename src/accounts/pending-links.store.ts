import type { Transaction } from '../audit/audit.ts';
import { Prisma } from '../generated/prisma/client.ts';
import { sha256 } from '../platform/sha256.ts';
import type { ParsedIdentity } from './federated-identity.ts';
import type { OneTimeToken } from './one-time-token.ts';

/** Seconds. */
const LIFETIME = 600;

const digestOfLink = (link: OneTimeToken) => sha256(`pending-link:${link}`);
const digestOfPlace = ({ interaction, browser }: LinkKey) => sha256(`interaction:${interaction}:${browser}`);

/** How the account can be proven. */
interface Proofs {
  hasPassword: boolean;
  /** Providers at which it has identities already. */
  connected: string[];
}

export type FoundPendingLink = PendingLink & Proofs;

/** Which link, and where it is followed. */
export interface LinkKey {
  link: OneTimeToken;
  interaction: string;
  /** What only this browser has, and nobody can give to another one: the cookies of an interaction can be planted. S-095 */
  browser: string;
}

/** An identity of the account that proved it, at a connection as it was then. */
export interface IdentityProof {
  provider: string;
  subject: string;
  connectionVersion: number;
}

interface PendingRow {
  userId: string;
  provider: string;
  subject: string;
  identity: Pick<ParsedIdentity, 'email' | 'profile'> & { accessGeneration: number; sealedTokens?: string };
}

export interface PendingLink {
  userId: string;
  /** The one that the upstream proved: whoever proves the account cannot exchange it. S-103 */
  identity: ParsedIdentity & { email: NonNullable<ParsedIdentity['email']> };
  /** Of the account, when the link was asked for. */
  accessGeneration: number;
  /** What the upstream handed out. Only its keeper can open it. S-099 */
  sealedTokens?: string;
}

/** Of the connection that a link came by: none of its own means that nobody ever disabled it. */
const connectionVersion = (provider: Prisma.Sql) =>
  Prisma.sql`coalesce((SELECT c.version FROM upstream_connections c WHERE c.provider = ${provider}), 0)`;

/** Also after it was disabled and enabled again: what was under way ended with that. S-100 */
const CONNECTION_IS_THE_SAME = Prisma.sql`${connectionVersion(Prisma.sql`p.provider`)} = (p.identity->>'connectionVersion')::int`;

const isOpen = (provider: Prisma.Sql) => Prisma.sql`NOT EXISTS (
  SELECT 1 FROM upstream_connections c WHERE c.provider = ${provider} AND c.disabled_at IS NOT NULL)`;
const CONNECTION_IS_OPEN = isOpen(Prisma.sql`p.provider`);

/** The identity is still of this account, and its connection was open all the time since it proved it. S-100, S-103 */
function stands({ provider, subject, connectionVersion: version }: IdentityProof, userId: string): Prisma.Sql {
  const named = Prisma.sql`${provider}::text`;
  return Prisma.sql`(EXISTS (SELECT 1 FROM federated_identities f
      WHERE f.provider = ${named} AND f.subject = ${subject}::text AND f.user_id = ${userId}::uuid)
    AND ${connectionVersion(named)} = ${version}::int AND ${isOpen(named)})`;
}

/** Only for an active account that has this address; otherwise nothing is kept, and the link leads nowhere. */
export async function insertPendingLink(
  tx: Pick<Transaction, '$executeRaw'>,
  key: LinkKey,
  { provider, subject, email, profile }: PendingLink['identity'],
  userId: string,
  sealedTokens?: string,
): Promise<void> {
  const said = JSON.stringify({ email, profile, sealedTokens });
  await tx.$executeRaw`
    INSERT INTO pending_links (id, interaction, user_id, provider, subject, identity, expires_at)
    SELECT ${digestOfLink(key.link)}, ${digestOfPlace(key)}, u.id, ${provider}, ${subject},
      ${said}::jsonb || jsonb_build_object('accessGeneration', u.access_generation,
        'connectionVersion', ${connectionVersion(Prisma.sql`${provider}`)}),
      now() + ${LIFETIME}::int * interval '1 second'
    FROM users u JOIN email_addresses e ON e.user_id = u.id AND e.address_key = ${email.key}
    WHERE u.id = ${userId}::uuid AND u.state = 'active'`;
}

/** What a link is good for now; looking does not spend it. */
export async function readPendingLink(
  tx: Pick<Transaction, '$queryRaw'>,
  key: LinkKey,
): Promise<FoundPendingLink | undefined> {
  const [row] = await tx.$queryRaw<(PendingRow & Proofs)[]>`
    SELECT p.user_id AS "userId", p.provider, p.subject, p.identity,
      EXISTS (SELECT 1 FROM password_credentials c WHERE c.user_id = u.id) AS "hasPassword",
      ARRAY(SELECT DISTINCT f.provider FROM federated_identities f WHERE f.user_id = u.id) AS connected
    FROM pending_links p JOIN users u ON u.id = p.user_id
    JOIN email_addresses e ON e.user_id = u.id AND e.address_key = p.identity->'email'->>'key'
    WHERE p.id = ${digestOfLink(key.link)} AND p.interaction = ${digestOfPlace(key)}
      AND p.consumed_at IS NULL AND p.expires_at > now()
      AND u.state = 'active' AND u.access_generation = (p.identity->>'accessGeneration')::int
      AND ${CONNECTION_IS_THE_SAME} AND ${CONNECTION_IS_OPEN}`;
  return row && { ...pendingLinkOf(row), hasPassword: row.hasPassword, connected: row.connected };
}

/** Whether it waits in another browser, or for another interaction. */
export async function isPendingElsewhere(tx: Pick<Transaction, '$queryRaw'>, key: LinkKey): Promise<boolean> {
  const rows = await tx.$queryRaw<unknown[]>`
    SELECT 1 FROM pending_links WHERE id = ${digestOfLink(key.link)} AND interaction <> ${digestOfPlace(key)}
      AND consumed_at IS NULL AND expires_at > now()`;
  return rows.length === 1;
}

/** After the account was locked, so that nothing of it is unlinked until the transaction ends. */
export async function proofStands(tx: Transaction, proof: IdentityProof, userId: string): Promise<boolean> {
  const [row] = await tx.$queryRaw<{ stands: boolean }[]>`SELECT ${stands(proof, userId)} AS stands`;
  return row?.stands === true;
}

/**
 * Spends the link: whoever else tries at the same moment waits, and finds it spent. Only for its own account, while that has the
 * address, and while the provider is open and was never closed since; the same holds for what proved the account. S-100, S-103
 */
export async function consumePendingLink(
  tx: Transaction,
  key: LinkKey,
  userId: string,
  proof?: IdentityProof,
): Promise<PendingLink | undefined> {
  const [row] = await tx.$queryRaw<PendingRow[]>`
    UPDATE pending_links p SET consumed_at = now()
    WHERE id = ${digestOfLink(key.link)} AND interaction = ${digestOfPlace(key)} AND user_id = ${userId}::uuid
      AND consumed_at IS NULL AND expires_at > now()
      AND EXISTS (SELECT 1 FROM email_addresses e WHERE e.user_id = p.user_id AND e.address_key = p.identity->'email'->>'key')
      AND ${CONNECTION_IS_THE_SAME} AND ${CONNECTION_IS_OPEN} AND ${proof ? stands(proof, userId) : Prisma.sql`true`}
    RETURNING user_id AS "userId", provider, subject, identity`;
  // Kept elsewhere from now on, or nowhere.
  if (row?.identity.sealedTokens !== undefined) {
    await tx.$executeRaw`UPDATE pending_links SET identity = identity - 'sealedTokens' WHERE id = ${digestOfLink(key.link)}`;
  }
  return row && pendingLinkOf(row);
}

/**
 * Whoever proved the account has to choose a new password first, which ends all access: the link waits for the number that the
 * account has then, and opens nothing until. S-119
 */
export async function keepForNewPassword(
  tx: Pick<Transaction, '$executeRaw'>,
  key: LinkKey,
  userId: string,
): Promise<void> {
  await tx.$executeRaw`
    UPDATE pending_links p SET expires_at = now() + ${LIFETIME}::int * interval '1 second',
      identity = p.identity || jsonb_build_object('accessGeneration', u.access_generation + 1)
    FROM users u WHERE u.id = p.user_id AND u.state = 'active' AND u.access_generation = (p.identity->>'accessGeneration')::int
      AND p.id = ${digestOfLink(key.link)} AND p.interaction = ${digestOfPlace(key)} AND p.user_id = ${userId}::uuid
      AND p.consumed_at IS NULL AND p.expires_at > now()`;
}

export async function voidPendingLinks(
  tx: Transaction,
  { userId, provider }: { userId: string; provider: string },
): Promise<void> {
  await tx.pendingLink.deleteMany({ where: { userId, provider, consumedAt: null } });
}

/** Both sides proved the address. False when it was verified before. */
export async function verifyAddress(tx: Transaction, userId: string, addressKey: string): Promise<boolean> {
  const { count } = await tx.emailAddress.updateMany({
    where: { userId, addressKey, verifiedAt: null },
    data: { verifiedAt: new Date() },
  });
  return count === 1;
}

function pendingLinkOf({ userId, provider, subject, identity }: PendingRow): PendingLink {
  const { accessGeneration, profile, email, sealedTokens } = identity;
  return {
    userId,
    accessGeneration,
    identity: { provider, subject, profile, email: email! },
    ...(sealedTokens !== undefined && { sealedTokens }),
  };
}
