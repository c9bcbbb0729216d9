import type { Pool } from 'pg';
import { createStatementBatch } from '../platform/database/statement-batch.ts';
import { binaryArray } from './artifact-arrays.ts';
import { prepared } from './artifact-statement.ts';

/** First the tombstone, which alone makes everything under the grant unusable; the rows follow. */
const END_GRANTS = `
  UPDATE protocol_artifacts a SET revoked_at = now()
  FROM (
    SELECT g.id FROM unnest($1::bytea[]) AS e(id) JOIN protocol_artifacts g ON g.id = e.id
    WHERE octet_length(e.id) = 32 AND g.kind = 'Grant' AND g.revoked_at IS NULL ORDER BY g.id FOR UPDATE OF g
  ) AS live
  WHERE a.id = live.id`;

/** A null kind means every kind. */
const DELETE_MEMBERS = `
  DELETE FROM protocol_artifacts WHERE id IN (
    SELECT a.id FROM unnest($1::bytea[], $2::text[]) AS d(grant_id, kind)
    JOIN protocol_artifacts a ON a.grant_id = d.grant_id AND (d.kind IS NULL OR a.kind = d.kind)
    WHERE octet_length(d.grant_id) = 32 ORDER BY a.id FOR UPDATE OF a
  )`;

const GRANT_OF = `
  SELECT encode(grant_id, 'hex') FROM protocol_artifacts WHERE id = $1::bytea AND grant_id IS NOT NULL`;

interface Revocation {
  grantId: Buffer;
  /** The grant itself, all of one kind under it, or both. */
  endGrant: boolean;
  members: string | null | undefined;
}

export interface ArtifactRevocations {
  endGrant(grantId: Buffer): Promise<void>;
  deleteMembers(grantId: Buffer, kind: string): Promise<void>;
  /** Somebody presented this a second time: its grant and all that came from it ends. */
  endFamilyOf(id: Buffer): Promise<void>;
}

/** Apart from the other writes: these lock rows that nobody named, and they are rare. */
export function createArtifactRevocations(pool: Pool): ArtifactRevocations {
  const endGrants = prepared(pool, 'artifacts.end-grants', END_GRANTS);
  const deleteMembers = prepared(pool, 'artifacts.delete-members', DELETE_MEMBERS);
  const grantOf = prepared<[grantId: string]>(pool, 'artifacts.grant-of', GRANT_OF);

  const revoke = createStatementBatch<Revocation, void>({
    async send(revocations) {
      const ended = revocations.filter(({ endGrant }) => endGrant);
      if (ended.length > 0)
        await endGrants([
          binaryArray(
            'bytea',
            ended.map(({ grantId }) => grantId),
          ),
        ]);
      const emptied = revocations.filter(({ members }) => members !== undefined);
      if (emptied.length > 0) {
        await deleteMembers([
          binaryArray(
            'bytea',
            emptied.map(({ grantId }) => grantId),
          ),
          binaryArray(
            'text',
            emptied.map(({ members }) => members ?? null),
          ),
        ]);
      }
      return revocations.map(() => undefined);
    },
  });

  const findGrant = createStatementBatch<Buffer, Buffer | undefined>({
    maxItems: 1,
    async send([id]) {
      const [row] = await grantOf([id]);
      return [row && Buffer.from(row[0], 'hex')];
    },
  });

  return {
    endGrant: (grantId) => revoke({ grantId, endGrant: true, members: undefined }),
    deleteMembers: (grantId, kind) => revoke({ grantId, endGrant: false, members: kind }),
    async endFamilyOf(id) {
      const grantId = await findGrant(id);
      if (grantId) await revoke({ grantId, endGrant: true, members: null });
    },
  };
}
