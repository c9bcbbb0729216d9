import { type StartedRow, startPlaced } from '../accounts/sessions.store.ts';
import { type AuditRow, insertPlaced } from '../audit/audit.store.ts';
import { UNFLUSHED } from '../platform/database/unflushed.ts';
import { binaryArray, binaryIntegers } from './artifact-arrays.ts';
import type { ArtifactRecord } from './artifact-record.ts';

/** What one caller wants done at once. With `consume` or `destroy`, the rest is stored only if that was won. */
export interface Write {
  save?: ArtifactRecord[];
  consume?: Consumption;
  destroy?: Destruction;
  /** What the audit log says about it: stored if all of the above was. */
  record?: AuditRow;
  /** The entry in a person's list that goes with a session which is saved: stored if all of the above was. */
  start?: StartedRow;
  end?: Buffer;
}

interface Consumption {
  id: Buffer;
  /** With one, a second time within the grace period wins too, as long as the successor was not used. */
  successor: Buffer | null;
}

export interface Destruction {
  id: Buffer;
  /** Whose it has to be, '' for nobody's: otherwise it stays. */
  accountId?: string;
}

export type Lane = keyof Write;
export const LANES: readonly Lane[] = ['consume', 'destroy', 'save', 'record', 'start', 'end'];

/** Numbers the parameters of one lane of the statement. */
type NextParameter = (type: string) => string;

/*
 * NOTE the length checks on what are digests anyway tell the planner to expect one row of each array, and with that to keep
 * one plan, which uses the primary key.
 */

/** The compare-and-set behind "once": of many callers PostgreSQL lets one through, the others see what it wrote. */
function consume(parameter: NextParameter): string {
  return `consumed AS (
    UPDATE protocol_artifacts a SET consumed_at = coalesce(a.consumed_at, now())
    FROM unnest(${['bytea[]', 'bytea[]', 'int4[]'].map(parameter)}) AS c(id, successor, place)
    WHERE octet_length(c.id) = 32 AND a.id = c.id AND a.revoked_at IS NULL AND (a.consumed_at IS NULL
      OR (c.successor IS NOT NULL AND a.consumed_at > now() - make_interval(secs => ${parameter('int4')})
        AND (SELECT s.consumed_at IS NULL AND s.revoked_at IS NULL FROM protocol_artifacts s WHERE s.id = c.successor)
          IS NOT FALSE))
    RETURNING c.place)`;
}

/** The places of those who won what may happen once. */
function winners(lanes: readonly Lane[]): string | undefined {
  const won = [
    ...(lanes.includes('consume') ? ['SELECT place FROM consumed'] : []),
    ...(lanes.includes('destroy') ? ['SELECT place FROM destroyed'] : []),
  ];
  return won.length ? won.join(' UNION ALL ') : undefined;
}

/**
 * Stores what is new, and overwrites what may change: never what was spent or revoked, and a replay mark only after its
 * time. Nothing is stored under a grant that is revoked or not there, unless its caller stores it at the same time.
 * Two requests of one browser may each add a client to the session at once: the second adds to what the first wrote.
 */
function save(parameter: NextParameter, lanes: readonly Lane[]): string {
  const won = winners(lanes);
  const types = 'bytea text bytea text text text text json int4 int4 int4'.split(' ').map((type) => `${type}[]`);
  return `due AS (
    SELECT * FROM unnest(${types.map(parameter)})
      AS t(id, kind, grant_id, account_id, client_id, uid, session_uid, payload, lifetime, place, after)
    WHERE octet_length(id) = 32),
  ${isReplacing(lanes) ? `${OVER},` : ''}
  saved AS (
    INSERT INTO protocol_artifacts AS a
      (id, kind, grant_id, account_id, client_id, uid, session_uid, payload, expires_at)
    SELECT id, kind, grant_id, account_id, client_id, uid, session_uid, payload, now() + make_interval(secs => lifetime)
    FROM due
    WHERE (due.grant_id IS NULL
        OR (SELECT true FROM protocol_artifacts g WHERE g.id = due.grant_id AND g.kind = 'Grant' AND g.revoked_at IS NULL)
        ${lanes.includes('destroy') ? 'OR EXISTS (SELECT FROM due g WHERE g.id = due.grant_id AND g.place = due.place)' : ''})
      ${won ? `AND (due.after IS NULL OR due.after IN (${won}))` : ''}
      ${isReplacing(lanes) ? 'AND due.place NOT IN (SELECT place FROM over)' : ''}
    ON CONFLICT (id) DO UPDATE SET
      grant_id = EXCLUDED.grant_id, account_id = EXCLUDED.account_id, client_id = EXCLUDED.client_id,
      uid = EXCLUDED.uid, session_uid = EXCLUDED.session_uid, expires_at = EXCLUDED.expires_at,
      payload = CASE
        WHEN a.kind = 'Session' AND a.account_id = EXCLUDED.account_id
          AND strpos(a.payload::text || EXCLUDED.payload::text, '\\u0000') = 0
        THEN (EXCLUDED.payload::jsonb || jsonb_build_object('authorizations',
          coalesce(a.payload::jsonb -> 'authorizations', '{}') || coalesce(EXCLUDED.payload::jsonb -> 'authorizations', '{}')))::json
        ELSE EXCLUDED.payload END
    WHERE a.revoked_at IS NULL AND a.consumed_at IS NULL AND (a.kind <> 'ReplayDetection' OR a.expires_at <= now())
    RETURNING a.id),
  refused AS (SELECT place FROM due WHERE id NOT IN (SELECT id FROM saved))`;
}

/** Whether a session may be stored in the place of what it was before. */
const isReplacing = (lanes: readonly Lane[]) => lanes.includes('end') && lanes.includes('save');

/**
 * A session that ended does not live on under another id. The entry in its person's list tells, since whoever ends a session ends that
 * first: locked, so that who ends it either is waited for or waits, and sees the new id then. Not shared: of two who sign in to one
 * session each would wait until the other lets go of the entry. S-159
 */
const OVER = `lasting AS (
    SELECT uid FROM user_sessions
    WHERE uid IN (SELECT uid FROM due WHERE kind = 'Session') AND ended_at IS NULL
    ORDER BY uid FOR NO KEY UPDATE),
  over AS (
    SELECT place FROM due JOIN user_sessions u ON u.uid = due.uid
    WHERE due.kind = 'Session' AND due.uid NOT IN (SELECT uid FROM lasting))`;

/** What was refused, or lost to another, did not happen. S-175 */
function record(parameter: NextParameter, lanes: readonly Lane[]): string {
  const won = winners(lanes);
  const conditions = [
    ...(won ? [`(NOT spends OR place IN (${won}))`] : []),
    ...(lanes.includes('save') ? ['place NOT IN (SELECT place FROM refused)'] : []),
  ];
  return `recorded AS (${insertPlaced(parameter('json'), conditions.join(' AND '))})`;
}

/** Only with its session, and where a used-up interaction leads to that, only with it. */
function start(parameter: NextParameter, lanes: readonly Lane[]): string {
  const used = lanes.includes('destroy') ? '(NOT spends OR place IN (SELECT place FROM destroyed)) AND ' : '';
  return `started AS (${startPlaced(parameter('json'), `${used}place NOT IN (SELECT place FROM refused)`)})`;
}

/** Of many callers one finds the row. A tombstone stays, and what somebody else has answered since it was read. */
function destroy(parameter: NextParameter): string {
  return `destroyed AS (
    DELETE FROM protocol_artifacts a USING unnest(${['bytea[]', 'text[]', 'int4[]'].map(parameter)}) AS d(id, account_id, place)
    WHERE octet_length(d.id) = 32 AND a.id = d.id AND a.revoked_at IS NULL
      AND (d.account_id IS NULL OR d.account_id = coalesce(a.account_id, ''))
    RETURNING d.place)`;
}

/** Leaves a tombstone for as long as a request that still holds the artifact may try to save it again. */
function end(parameter: NextParameter, lanes: readonly Lane[]): string {
  return `ended AS (
    UPDATE protocol_artifacts a
    SET revoked_at = now(), payload = '{}', expires_at = least(a.expires_at, now() + interval '1 hour')
    FROM unnest(${parameter('bytea[]')}) AS e(id)
    WHERE octet_length(e.id) = 32 AND a.id = e.id AND a.revoked_at IS NULL
      ${isReplacing(lanes) ? 'AND (SELECT count(*) FROM lasting) >= 0' : ''})`;
}

const STEPS = { consume, destroy, save, record, start, end };

/** The answer has the places of what may happen once and was won (true), and of saves that were refused (false). */
const ANSWERS: Partial<Record<Lane, string>> = {
  consume: 'SELECT place, true FROM consumed',
  save: 'SELECT place, false FROM refused',
  destroy: 'SELECT place, true FROM destroyed',
};

/** One statement for all writes that are due, of whatever kinds they are. `isFlushed`: whether it waits for the disk. */
export function writeStatement(lanes: readonly Lane[], isFlushed: boolean): string {
  let count = 0;
  const parameter = (type: string) => `$${++count}::${type}`;
  const steps = lanes.map((lane) => STEPS[lane](parameter, lanes));
  const none = isFlushed ? 'WHERE false' : `FROM ${UNFLUSHED} AS setting WHERE setting IS NULL`;
  const answers = [...lanes.flatMap((lane) => ANSWERS[lane] ?? []), `SELECT 0, false ${none}`];
  return `WITH ${steps.join(', ')} ${answers.join(' UNION ALL ')}`;
}

/** Each write with its place in the batch. */
export type Placed<Key extends Lane> = readonly [place: number, write: Write & Required<Pick<Write, Key>>];
export type DueWrites = { [Key in Lane]: Placed<Key>[] };

/** The values of `writeStatement`, for the lanes that have any. */
export function writeParameters(due: DueWrites, refreshGrace: number): unknown[] {
  return [
    ...(due.consume.length ? consumeParameters(due.consume, refreshGrace) : []),
    ...(due.destroy.length
      ? [
          binaryArray(
            'bytea',
            due.destroy.map(([, { destroy }]) => destroy.id),
          ),
          binaryArray(
            'text',
            due.destroy.map(([, { destroy }]) => destroy.accountId ?? null),
          ),
          binaryIntegers(due.destroy.map(([place]) => place)),
        ]
      : []),
    ...(due.save.length ? saveParameters(due.save) : []),
    ...(due.record.length ? [recordParameter(due.record)] : []),
    ...(due.start.length ? [startParameter(due.start)] : []),
    ...(due.end.length
      ? [
          binaryArray(
            'bytea',
            due.end.map(([, { end }]) => end),
          ),
        ]
      : []),
  ];
}

function consumeParameters(due: Placed<'consume'>[], refreshGrace: number): unknown[] {
  return [
    binaryArray(
      'bytea',
      due.map(([, { consume }]) => consume.id),
    ),
    binaryArray(
      'bytea',
      due.map(([, { consume }]) => consume.successor),
    ),
    binaryIntegers(due.map(([place]) => place)),
    refreshGrace,
  ];
}

function recordParameter(due: Placed<'record'>[]): string {
  return JSON.stringify(
    due.map(([place, { record, consume, destroy }]) => ({
      ...record,
      place,
      spends: (consume ?? destroy) !== undefined,
    })),
  );
}

function startParameter(due: Placed<'start'>[]): string {
  return JSON.stringify(due.map(([place, { start, destroy }]) => ({ ...start, place, spends: destroy !== undefined })));
}

function saveParameters(due: Placed<'save'>[]): unknown[] {
  type Field = (record: ArtifactRecord) => Buffer | string | null;
  const rows = due.flatMap(([place, { save, consume, destroy }]) =>
    save.map((record) => ({ record, place, after: (consume ?? destroy) ? place : null })),
  );
  const column = (type: 'bytea' | 'text' | 'json', field: Field) =>
    binaryArray(
      type,
      rows.map(({ record }) => field(record)),
    );
  return [
    column('bytea', ({ id }) => id),
    column('text', ({ kind }) => kind),
    column('bytea', ({ grantId }) => grantId),
    column('text', ({ accountId }) => accountId),
    column('text', ({ clientId }) => clientId),
    column('text', ({ uid }) => uid),
    column('text', ({ sessionUid }) => sessionUid),
    column('json', ({ payload }) => payload),
    binaryIntegers(rows.map(({ record }) => record.lifetime)),
    binaryIntegers(rows.map(({ place }) => place)),
    binaryIntegers(rows.map(({ after }) => after)),
  ];
}
