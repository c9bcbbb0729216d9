import type { Pool } from 'pg';
import { accountAsJson } from '../accounts/account-json.ts';
import { createStatementBatch } from '../platform/database/statement-batch.ts';
import { UNFLUSHED } from '../platform/database/unflushed.ts';
import { binaryArray, binaryIntegers } from './artifact-arrays.ts';
import type { ArtifactRecord } from './artifact-record.ts';
import { prepared } from './artifact-statement.ts';

/** `account`: the person that the row is now of, as JSON. */
export type Amended = { account: string | null } | 'lost';

/** NOTE the length check tells the planner to expect one row, as in `artifact-write-statement.ts`. */
const AMEND = `
  UPDATE protocol_artifacts a
  SET account_id = m.account_id, payload = m.payload, expires_at = now() + make_interval(secs => m.lifetime)
  FROM unnest($1::bytea[], $2::text[], $3::json[], $4::int4[], $5::int4[]) AS m(id, account_id, payload, lifetime, place)
  WHERE octet_length(m.id) = 32 AND a.id = m.id AND a.revoked_at IS NULL AND a.expires_at > now()
  RETURNING m.place, ${accountAsJson('m.account_id')}, ${UNFLUSHED}`;

/** Overwrites what is there, and nothing that is not: what was ended, used up or is past its time meanwhile does not come back. */
export function createAmendments(pool: Pool): (record: ArtifactRecord) => Promise<Amended> {
  const amend = prepared<[place: string, account: string | null]>(pool, 'artifacts.amend', AMEND);

  return createStatementBatch<ArtifactRecord, Amended>({
    keysOf: ({ id }) => [id.toString('latin1')],
    async send(records) {
      // Rows are locked in the order of their ids: two statements that want the same ones cannot wait for each other.
      const sorted = records
        .map((record, place) => ({ record, place }))
        .sort((one, other) => Buffer.compare(one.record.id, other.record.id));
      const column = (type: 'bytea' | 'text' | 'json', field: (record: ArtifactRecord) => Buffer | string | null) =>
        binaryArray(
          type,
          sorted.map(({ record }) => field(record)),
        );
      const outcomes = new Array<Amended>(records.length).fill('lost');
      for (const [place, account] of await amend([
        column('bytea', ({ id }) => id),
        column('text', ({ accountId }) => accountId),
        column('json', ({ payload }) => payload),
        binaryIntegers(sorted.map(({ record }) => record.lifetime)),
        binaryIntegers(sorted.map(({ place }) => place)),
      ])) {
        outcomes[Number(place)] = { account };
      }
      return outcomes;
    },
  });
}
