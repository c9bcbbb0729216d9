import type { Pool } from 'pg';
import { preparedStatement } from '../platform/database/prepared-statement.ts';
import { createStatementBatch } from '../platform/database/statement-batch.ts';
import type { TrustsAddress } from '../platform/http/client-address.ts';
import type { Access, Owner, OwnerKind } from './api-key.ts';
import { ownerOf } from './api-keys.store.ts';
import type { OwnerRights } from './rights.ts';

/** A key as it was read, with its owner as they were then. The database's clock decides what has expired. */
export interface FoundApiKey {
  id: string;
  owner: Owner;
  access: Access;
  allowedAddresses: string[];
  createdAt: Date;
  expiresAt?: Date;
  isExpired: boolean;
  isRevoked: boolean;
  isOwnerActive: boolean;
  rights: OwnerRights;
  /** Made of `allowedAddresses` when it is needed first. */
  allows?: TrustsAddress;
}

interface Row {
  digest: Buffer;
  id: string;
  owner_kind: OwnerKind;
  owner_id: string | null;
  access: Access;
  allowed_addresses: string[];
  created_at: Date;
  expires_at: Date | null;
  is_expired: boolean;
  is_revoked: boolean;
  owner_state: string;
  owner_is_administrator: boolean;
  owner_access: Access | null;
}

/** Reads past the rows' owners, by a function of the database that may do that and nothing else: see the migration. */
const FIND = 'SELECT * FROM api_keys_by_digest($1::bytea[])';

/** By the digest in hexadecimal. What is asked at the same moment goes into one prepared statement. */
export function createApiKeyFinder(pool: Pool): (digest: string) => Promise<FoundApiKey | undefined> {
  const query = preparedStatement<Row>(pool, 'api_keys.find', FIND);
  return createStatementBatch<string, FoundApiKey | undefined>({
    async send(digests) {
      const rows = await query([[...new Set(digests)].map((digest) => Buffer.from(digest, 'hex'))]);
      const byDigest = new Map(rows.map((row) => [row.digest.toString('hex'), foundOf(row)]));
      return digests.map((digest) => byDigest.get(digest));
    },
  });
}

function foundOf(row: Row): FoundApiKey {
  return {
    id: row.id,
    owner: ownerOf(row.owner_kind, row.owner_id),
    access: row.access,
    allowedAddresses: row.allowed_addresses,
    createdAt: row.created_at,
    ...(row.expires_at && { expiresAt: row.expires_at }),
    isExpired: row.is_expired,
    isRevoked: row.is_revoked,
    isOwnerActive: row.owner_state === 'active',
    rights: {
      kind: row.owner_kind,
      isAdministrator: row.owner_is_administrator,
      ...(row.owner_access && { access: row.owner_access }),
    },
  };
}
