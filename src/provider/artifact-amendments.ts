import type { Pool } from 'pg';
import { accountAsJson } from '../accounts/account-json.ts';
import { type AuditRow, insertPlaced } from '../audit/audit.store.ts';
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
  RETURNING m.place, ${accountAsJson('m.account_id')}`;

const AMEND_UNFLUSHED = `${AMEND}, ${UNFLUSHED}`;

/** What was lost is not recorded. With what a person decided, it waits for the disk. S-175 */
const AMEND_RECORDED = `
  WITH amended (place, account) AS (${AMEND}),
  recorded AS (${insertPlaced('$6::json', 'place IN (SELECT place FROM amended)')})
  SELECT place, account FROM amended`;

export interface Amendment {
  record: ArtifactRecord;
  /** What the audit log says about it: stored if it was. */
  event?: AuditRow | undefined;
}

/** Overwrites what is there, and nothing that is not: what was ended, used up or is past its time meanwhile does not come back. */
export function createAmendments(pool: Pool): (amendment: Amendment) => Promise<Amended> {
  type Row = [place: string, account: string | null];
  const amend = prepared<Row>(pool, 'artifacts.amend', AMEND_UNFLUSHED);
  const amendRecorded = prepared<Row>(pool, 'artifacts.amend-recorded', AMEND_RECORDED);

  return createStatementBatch<Amendment, Amended>({
    keysOf: ({ record: { id } }) => [id.toString('latin1')],
    async send(amendments) {
      // Rows are locked in the order of their ids: two statements that want the same ones cannot wait for each other.
      const sorted = amendments
        .map(({ record }, place) => ({ record, place }))
        .sort((one, other) => Buffer.compare(one.record.id, other.record.id));
      const column = (type: 'bytea' | 'text' | 'json', field: (record: ArtifactRecord) => Buffer | string | null) =>
        binaryArray(
          type,
          sorted.map(({ record }) => field(record)),
        );
      const parameters = [
        column('bytea', ({ id }) => id),
        column('text', ({ accountId }) => accountId),
        column('json', ({ payload }) => payload),
        binaryIntegers(sorted.map(({ record }) => record.lifetime)),
        binaryIntegers(sorted.map(({ place }) => place)),
      ];
      const events = amendments.flatMap(({ event }, place) => (event ? [{ ...event, place }] : []));
      const outcomes = new Array<Amended>(amendments.length).fill('lost');
      for (const [place, account] of events.length > 0
        ? await amendRecorded([...parameters, JSON.stringify(events)])
        : await amend(parameters)) {
        outcomes[Number(place)] = { account };
      }
      return outcomes;
    },
  });
}
