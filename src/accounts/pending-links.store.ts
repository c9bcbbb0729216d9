import type { Transaction } from '../audit/audit.ts';
import { sha256 } from '../platform/sha256.ts';
import type { ParsedIdentity } from './federated-identity.ts';
import type { OneTimeToken } from './one-time-token.ts';

/** Seconds. */
const LIFETIME = 600;

const digestOfLink = (link: OneTimeToken) => sha256(`pending-link:${link}`);
const digestOfInteraction = (uid: string) => sha256(`interaction:${uid}`);

/** Which link, by whom it is followed, for whom. */
export interface LinkKey {
  link: OneTimeToken;
  interaction: string;
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

/** Only for an active account that has this address; otherwise nothing is kept, and the link leads nowhere. */
export async function insertPendingLink(
  tx: Pick<Transaction, '$executeRaw'>,
  { link, interaction }: LinkKey,
  { provider, subject, email, profile }: PendingLink['identity'],
  userId: string,
  sealedTokens?: string,
): Promise<void> {
  const said = JSON.stringify({ email, profile, sealedTokens });
  await tx.$executeRaw`
    INSERT INTO pending_links (id, interaction, user_id, provider, subject, identity, expires_at)
    SELECT ${digestOfLink(link)}, ${digestOfInteraction(interaction)}, u.id, ${provider}, ${subject},
      ${said}::jsonb || jsonb_build_object('accessGeneration', u.access_generation), now() + ${LIFETIME}::int * interval '1 second'
    FROM users u JOIN email_addresses e ON e.user_id = u.id AND e.address_key = ${email.key}
    WHERE u.id = ${userId}::uuid AND u.state = 'active'`;
}

/** What a link is good for now; looking does not spend it. */
export async function readPendingLink(
  tx: Pick<Transaction, '$queryRaw'>,
  { link, interaction }: LinkKey,
): Promise<(PendingLink & { hasPassword: boolean }) | undefined> {
  const [row] = await tx.$queryRaw<(PendingRow & { hasPassword: boolean })[]>`
    SELECT p.user_id AS "userId", p.provider, p.subject, p.identity,
      EXISTS (SELECT 1 FROM password_credentials c WHERE c.user_id = u.id) AS "hasPassword"
    FROM pending_links p JOIN users u ON u.id = p.user_id
    JOIN email_addresses e ON e.user_id = u.id AND e.address_key = p.identity->'email'->>'key'
    WHERE p.id = ${digestOfLink(link)} AND p.interaction = ${digestOfInteraction(interaction)}
      AND p.consumed_at IS NULL AND p.expires_at > now()
      AND u.state = 'active' AND u.access_generation = (p.identity->>'accessGeneration')::int
      AND NOT EXISTS (SELECT 1 FROM upstream_connections c WHERE c.provider = p.provider AND c.disabled_at IS NOT NULL)`;
  return row && { ...pendingLinkOf(row), hasPassword: row.hasPassword };
}

/**
 * Spends the link: whoever else tries at the same moment waits, and finds it spent. Only for its own account, while that has the
 * address, and while the provider is open. S-100, S-103
 */
export async function consumePendingLink(
  tx: Transaction,
  { link, interaction }: LinkKey,
  userId: string,
): Promise<PendingLink | undefined> {
  const [row] = await tx.$queryRaw<PendingRow[]>`
    UPDATE pending_links p SET consumed_at = now()
    WHERE id = ${digestOfLink(link)} AND interaction = ${digestOfInteraction(interaction)} AND user_id = ${userId}::uuid
      AND consumed_at IS NULL AND expires_at > now()
      AND EXISTS (SELECT 1 FROM email_addresses e WHERE e.user_id = p.user_id AND e.address_key = p.identity->'email'->>'key')
      AND NOT EXISTS (SELECT 1 FROM upstream_connections c WHERE c.provider = p.provider AND c.disabled_at IS NOT NULL)
    RETURNING user_id AS "userId", provider, subject, identity`;
  // Kept elsewhere from now on, or nowhere.
  if (row?.identity.sealedTokens !== undefined) {
    await tx.$executeRaw`UPDATE pending_links SET identity = identity - 'sealedTokens' WHERE id = ${digestOfLink(link)}`;
  }
  return row && pendingLinkOf(row);
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
