import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { migrationsDirectory } from '../../../src/platform/database/migrate.ts';
import { findOffences, RULES, type Rule } from './migration-rules.ts';

interface Excuse {
  migration: string;
  rule: Rule;
  what: string;
  /** Why the release before was safe. */
  reason?: string;
  /**
   * Of something that is dropped: the first release that did not use it any more. The drop comes with a later one, and is named for
   * that release's newest migration (decision 0027).
   */
  unusedSince?: string;
}

/** The last migration before the first release: up to here no installation had rows, nor a release before. */
const LAST_BEFORE_FIRST_RELEASE = '20261121164200_api_keys_of_deleted_people';
const keys = '20261120202257_key_life_cycle';
const keysReason = 'before the first release; these tables have a dozen rows for as long as a service lives';
const apiKeys = '20261121160521_api_keys';
const partial = '20261121162300_partial_indexes';
const partialReason = 'before the first release; on a table in use writers would have waited for four indexes';

/** Grows by nothing but drops of what a release that is out does not use any more. */
const EXCUSED: Excuse[] = [
  { migration: keys, rule: 'indexed', what: 'server_secrets_next_for_key', reason: keysReason },
  { migration: keys, rule: 'indexed', what: 'signing_keys_published_for_key', reason: keysReason },
  { migration: keys, rule: 'all rows', what: 'server_secrets', reason: keysReason },
  { migration: keys, rule: 'scanned', what: 'signing_keys.signing_keys_active_for_state', reason: keysReason },
  { migration: keys, rule: 'scanned', what: 'signing_keys.signing_keys_published_for_state', reason: keysReason },
  { migration: keys, rule: 'scanned', what: 'signing_keys.signing_keys_erased', reason: keysReason },
  {
    migration: apiKeys,
    rule: 'indexed',
    what: 'clients_service_account_id_idx',
    reason: 'before the first release; clients are few',
  },
  {
    migration: apiKeys,
    rule: 'scanned',
    what: 'clients.clients_service_account_id_fkey',
    reason: 'before the first release; clients are few',
  },
  {
    migration: apiKeys,
    rule: 'scanned',
    what: 'users.users_id_is_no_service_account',
    reason:
      'before the first release; on a table in use it would have waited for a million comparisons, about a second',
  },
  { migration: partial, rule: 'indexed', what: 'protocol_artifacts_with_grant', reason: partialReason },
  { migration: partial, rule: 'indexed', what: 'protocol_artifacts_with_account', reason: partialReason },
  { migration: partial, rule: 'indexed', what: 'protocol_artifacts_with_client', reason: partialReason },
  { migration: partial, rule: 'indexed', what: 'protocol_artifacts_with_uid', reason: partialReason },
];

const changelog = readFileSync(fileURLToPath(new URL('../../../CHANGELOG.md', import.meta.url)), 'utf8');

/** What is wrong with an excuse; undefined when it holds. */
function objectionTo({ migration, rule, reason, unusedSince }: Excuse, changes = changelog): string | undefined {
  if (migration <= LAST_BEFORE_FIRST_RELEASE) return reason ? undefined : 'it says no reason';
  if (rule !== 'dropped') return 'only what was dropped may be excused after the first release';
  const releases = [...changes.matchAll(/^## (\S+) · (?!unreleased)/gm)].map(([, version]) => version);
  if (!unusedSince || !releases.includes(unusedSince)) return 'no release that is out did without it';
  return /_after_\d{14}$/.test(migration) ? undefined : 'its name does not say which releases it leaves out';
}

function readMigrations() {
  return readdirSync(migrationsDirectory)
    .filter((name) => /^\d/.test(name))
    .sort()
    .map((name) => ({ name, sql: readFileSync(join(migrationsDirectory, name, 'migration.sql'), 'utf8') }));
}

describe('each release’s migrations keep the release before working', () => {
  test('no migration takes away, demands or locks what the release before uses, but for those that are listed with a reason', async () => {
    const offences = await findOffences(readMigrations());
    const listed = EXCUSED.map(({ migration, rule, what }) => ({ migration, rule, what }));
    expect(offences.map((one) => ({ ...one, because: RULES[one.rule] }))).toEqual(
      listed.map((one) => ({ ...one, because: RULES[one.rule] })),
    );
  });

  test('the list holds nothing new but drops of what a release that is out does not use', () => {
    expect(EXCUSED.map((one) => objectionTo(one)).filter(Boolean)).toEqual([]);
  });

  test.each<[string, Partial<Excuse>, string | undefined]>([
    ['an old one with a reason', { migration: keys, reason: 'few rows' }, undefined],
    ['an old one without', { migration: keys }, 'it says no reason'],
    ['a new index', { reason: 'few rows' }, 'only what was dropped may be excused after the first release'],
    [
      'a drop in the release that stops using it',
      { rule: 'dropped', unusedSince: '0.3.0' },
      'no release that is out did without it',
    ],
    ['a drop that names no release', { rule: 'dropped' }, 'no release that is out did without it'],
    [
      'a drop that lets every release start',
      { rule: 'dropped', unusedSince: '0.2.0' },
      'its name does not say which releases it leaves out',
    ],
    [
      'a drop after a release without',
      { migration: '20270201000000_drop_x_after_20270105093000', rule: 'dropped', unusedSince: '0.2.0' },
      undefined,
    ],
  ])('of excuses: %s', (_what, excuse, objection) => {
    const changes = '# Changelog\n\n## 0.3.0 · unreleased\n\n## 0.2.0 · 2027-01-05\n\n## 0.1.0 · 2026-12-01\n';
    const whole = { migration: '20270101000000_later', rule: 'indexed' as const, what: 'x', ...excuse };
    expect(objectionTo(whole, changes)).toBe(objection);
  });
});

const BEFORE = `CREATE TYPE mood AS ENUM ('glad'); CREATE TABLE old (id int PRIMARY KEY, a int, b text DEFAULT 'x');
  CREATE TABLE other (id int PRIMARY KEY); CREATE INDEX old_a ON old (a); CREATE UNIQUE INDEX old_b ON old (b);
  CREATE FUNCTION answer() RETURNS int LANGUAGE sql AS 'SELECT 42'; CREATE VIEW seen AS SELECT id FROM old;`;

async function judge(sql: string): Promise<[Rule, string][]> {
  const offences = await findOffences([
    { name: '1_before', sql: BEFORE },
    { name: '2_planted', sql },
  ]);
  return offences.map(({ migration, rule, what }) => {
    expect(migration).toBe('2_planted');
    return [rule, what];
  });
}

const PLANTED: [string, Rule, string][] = [
  ['DROP TABLE old', 'dropped', 'old'],
  ['DROP TABLE IF EXISTS "public"."old" CASCADE', 'dropped', 'public.old'],
  ['DROP TYPE mood', 'dropped', 'mood'],
  ['DROP VIEW seen', 'dropped', 'seen'],
  ['DROP FUNCTION answer()', 'dropped', 'answer'],
  ['DROP INDEX old_b', 'dropped', 'old_b'],
  ['DROP INDEX unheard_of', 'dropped', 'unheard_of'],
  ['ALTER TABLE old DROP COLUMN a', 'dropped', 'old.a'],
  ['ALTER TABLE old ADD COLUMN c int, DROP COLUMN a', 'dropped', 'old.a'],
  ['ALTER TABLE old DROP CONSTRAINT old_pkey', 'dropped', 'old.old_pkey'],
  ['/* harmless */ alter table only "old" -- ; \n drop column if exists "a"', 'dropped', 'old.a'],
  ['ALTER TABLE old RENAME TO ancient', 'renamed', 'old'],
  ['ALTER TABLE old RENAME COLUMN a TO c', 'renamed', 'old.a'],
  ['ALTER TABLE old RENAME a TO c', 'renamed', 'old.a'],
  ['ALTER TABLE old RENAME CONSTRAINT old_pkey TO p', 'renamed', 'old.old_pkey'],
  [`ALTER TYPE mood RENAME VALUE 'glad' TO 'happy'`, 'renamed', 'mood.glad'],
  ['ALTER TYPE mood RENAME TO temper', 'renamed', 'mood'],
  ['ALTER INDEX old_b RENAME TO old_c', 'renamed', 'old_b'],
  ['ALTER FUNCTION answer() RENAME TO reply', 'renamed', 'answer'],
  ['ALTER TABLE old ALTER COLUMN a TYPE bigint', 'retyped', 'old.a'],
  ['ALTER TABLE old ADD COLUMN c int; ALTER TABLE old ALTER COLUMN c TYPE bigint', 'retyped', 'old.c'],
  ['ALTER TABLE old ALTER COLUMN a SET NOT NULL', 'required', 'old.a'],
  ['ALTER TABLE old ADD COLUMN c int; ALTER TABLE old ALTER COLUMN c SET NOT NULL', 'required', 'old.c'],
  ['ALTER TABLE old ADD COLUMN c int NOT NULL', 'required', 'old.c'],
  ['ALTER TABLE old ALTER COLUMN b DROP DEFAULT', 'default taken', 'old.b'],
  ['ALTER TABLE old ADD c int NOT NULL DEFAULT 0; ALTER TABLE old ALTER c DROP DEFAULT', 'default taken', 'old.c'],
  ['ALTER TABLE old ADD COLUMN c uuid DEFAULT gen_random_uuid()', 'rewritten', 'old.c'],
  ['ALTER TABLE old ADD COLUMN c bigserial', 'rewritten', 'old.c'],
  ['ALTER TABLE old ADD COLUMN c int GENERATED ALWAYS AS IDENTITY', 'rewritten', 'old.c'],
  ['ALTER TABLE old ADD COLUMN c int GENERATED ALWAYS AS (a + 1) STORED', 'rewritten', 'old.c'],
  ['ALTER TABLE old ADD CONSTRAINT c CHECK (a > 0)', 'scanned', 'old.c'],
  ['ALTER TABLE old ADD COLUMN c int CHECK (c > 0)', 'scanned', 'old.c'],
  ['ALTER TABLE old ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES other (id)', 'scanned', 'old.c'],
  ['ALTER TABLE old ADD COLUMN c int DEFAULT 1 REFERENCES other (id)', 'scanned', 'old.c'],
  [
    'ALTER TABLE old ADD CONSTRAINT c CHECK (a > 0) NOT VALID; ALTER TABLE old VALIDATE CONSTRAINT c',
    'validated at once',
    'old.c',
  ],
  ['ALTER TABLE old ADD CONSTRAINT c UNIQUE (a)', 'indexed', 'old.c'],
  ['ALTER TABLE old ADD COLUMN c int UNIQUE', 'indexed', 'old.c'],
  ['CREATE INDEX i ON old (a)', 'indexed', 'i'],
  ['CREATE UNIQUE INDEX i ON old (a)', 'indexed', 'i'],
  ['CREATE INDEX CONCURRENTLY i ON old (a)', 'indexed', 'i'],
  ['CREATE TABLE fresh (a int); CREATE INDEX CONCURRENTLY i ON fresh (a)', 'indexed', 'i'],
  ['UPDATE old SET a = 1', 'all rows', 'old'],
  ['UPDATE old SET a = 1 WHERE b IS NOT NULL', 'all rows', 'old'],
  [`UPDATE old SET a = 1 WHERE id = 1 OR b = 'x'`, 'all rows', 'old'],
  ['UPDATE old SET a = other.id FROM other WHERE old.id = other.id', 'all rows', 'old'],
  ['DELETE FROM old', 'all rows', 'old'],
  ['DELETE FROM old WHERE id <> 1', 'all rows', 'old'],
  ['TRUNCATE old', 'all rows', 'old'],
  [`ALTER TYPE mood ADD VALUE 'sad'; ALTER TABLE old ADD COLUMN m mood DEFAULT 'sad'`, 'fresh value', 'sad'],
  [
    `ALTER TYPE mood ADD VALUE 'sad'; CREATE FUNCTION f() RETURNS mood LANGUAGE sql AS $$SELECT 'sad'::mood$$`,
    'fresh value',
    'sad',
  ],
  ['ALTER TABLE old ENABLE ROW LEVEL SECURITY', 'rights taken', 'old'],
  ['ALTER TABLE old FORCE ROW LEVEL SECURITY', 'rights taken', 'old'],
  ['CREATE POLICY p ON old AS RESTRICTIVE USING (a = 1)', 'rights taken', 'old'],
  ['REVOKE UPDATE ON old FROM PUBLIC', 'rights taken', 'REVOKE'],
  ['COMMIT', 'transaction', 'TRANS_STMT_COMMIT'],
  ['DO $$ BEGIN DROP TABLE old; END $$', 'unreadable', 'DO'],
  [
    'WITH gone AS (DELETE FROM old RETURNING id) INSERT INTO other SELECT id FROM gone',
    'unreadable',
    'INSERT with WITH',
  ],
  ['CREATE OR REPLACE FUNCTION answer() RETURNS int LANGUAGE sql AS $$SELECT 43$$', 'unknown', 'answer'],
  ['CREATE OR REPLACE VIEW seen AS SELECT id FROM other', 'unknown', 'seen'],
  ['ALTER TABLE old DISABLE TRIGGER ALL', 'unknown', 'old: AT_DisableTrigAll'],
  ['ALTER TABLE old SET UNLOGGED', 'unknown', 'old: AT_SetUnLogged'],
  ['CLUSTER old USING old_a', 'unknown', 'ClusterStmt'],
  ['VACUUM FULL old', 'unknown', 'VacuumStmt'],
  ['LOCK TABLE old', 'unknown', 'LockStmt'],
  ['CREATE RULE r AS ON DELETE TO old DO INSTEAD NOTHING', 'unknown', 'RuleStmt'],
];

describe('what is planted is found', () => {
  test.each(PLANTED)('%s', async (sql, rule, what) => {
    expect(await judge(sql)).toEqual([[rule, what]]);
  });

  test('of every rule at least once', () => {
    expect([...new Set(PLANTED.map(([, rule]) => rule))].toSorted()).toEqual(Object.keys(RULES).toSorted());
  });
});

describe('what the release before does not notice is let through', () => {
  test.each([
    'ALTER TABLE old ADD COLUMN c int',
    'ALTER TABLE old ADD COLUMN c int NOT NULL DEFAULT 0',
    'ALTER TABLE old ADD COLUMN c timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP',
    'ALTER TABLE old ADD COLUMN c int REFERENCES other (id)',
    `ALTER TABLE old ADD COLUMN c jsonb NOT NULL DEFAULT '{}'::jsonb`,
    'ALTER TABLE old ADD CONSTRAINT c CHECK (a > 0) NOT VALID',
    'ALTER TABLE old ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES other (id) NOT VALID',
    'ALTER TABLE old VALIDATE CONSTRAINT of_an_earlier_migration',
    'ALTER TABLE old ADD COLUMN c int; ALTER TABLE old DROP COLUMN c',
    'ALTER TABLE old ALTER COLUMN a DROP NOT NULL, ALTER COLUMN a SET DEFAULT 1',
    'ALTER TABLE old SET (fillfactor = 80)',
    `ALTER TYPE mood ADD VALUE 'sad'`,
    `CREATE TYPE size AS ENUM ('s'); CREATE TABLE t (size size DEFAULT 's'); DROP TABLE t; DROP TYPE size`,
    `CREATE TABLE t (a int); CREATE UNIQUE INDEX i ON t (a); ALTER TABLE t ADD CHECK (a > 0), ALTER a SET NOT NULL;
     UPDATE t SET a = 1; DELETE FROM t; ALTER TABLE t RENAME a TO b; ALTER TABLE t ENABLE ROW LEVEL SECURITY`,
    'DROP INDEX old_a',
    'ALTER INDEX old_a RENAME TO old_c',
    'INSERT INTO old (id) VALUES (1)',
    `UPDATE old SET a = 1 WHERE id = 1 AND b IS NULL; DELETE FROM old WHERE b IN ('x', 'y')`,
    'CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$SELECT 1; -- DROP TABLE old\n$$',
    `COMMENT ON TABLE old IS 'DROP TABLE old; UPDATE old SET a = 1'`,
    '-- DROP TABLE old;\n/* DELETE FROM old; */ SELECT 1',
  ])('%s', async (sql) => {
    expect(await judge(sql)).toEqual([]);
  });
});
