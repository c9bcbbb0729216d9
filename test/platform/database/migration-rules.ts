import { type ColumnDef, type Constraint, type Node, parse } from 'libpg-query';

/**
 * What a migration may not do, because nodes of the release before serve from the same tables while it runs and afterwards, and because
 * each of ours runs in one transaction, which holds what it locks until its end.
 */
export const RULES = {
  dropped: 'Takes away what the release before uses. Stop using it in one release and drop it in a later one.',
  renamed: 'The release before asks by the old name. Add the new one, write both, drop the old one in a later release.',
  retyped: 'Rewrites the table under an exclusive lock, and the release before reads another type. Add a column.',
  required: 'The release before writes rows without it. Give it a default, or let it be NULL.',
  'default taken': 'The release before writes rows without it.',
  rewritten:
    'Writes every row of the table anew under an exclusive lock. Add the column without, and fill it in portions.',
  scanned:
    'Reads the whole table under a lock that writers wait for. Add it NOT VALID; a later migration validates it.',
  'validated at once':
    'Holds the lock of the statement that added it while it reads the table. Validate in a later migration.',
  indexed: 'Writers wait until the index is built, and in a transaction it cannot be built CONCURRENTLY.',
  'all rows': 'Locks and writes as many rows as there are. Have the service do it in portions, or name the rows.',
  'fresh value': 'A value of an enum may not be used in the transaction that adds it.',
  'rights taken': 'Forbids what the release before does.',
  transaction: 'Ends the transaction in which the migration and its row in the history stand or fall together.',
  unreadable: 'What it does cannot be read from it. Write it as statements.',
  unknown: 'Nobody has thought yet about what this does to the release before. Do so, and teach the rules.',
} as const;

export type Rule = keyof typeof RULES;

export interface Migration {
  name: string;
  sql: string;
}

export interface Offence {
  migration: string;
  rule: Rule;
  /** The table, or whatever else it concerns. */
  what: string;
}

/** Reads migrations, oldest first, with PostgreSQL's own parser. What a migration makes itself it may treat as it likes. */
export async function findOffences(migrations: Migration[]): Promise<Offence[]> {
  const offences: Offence[] = [];
  /** Whether an index of that name is unique; the planner alone notices the others. */
  const indexes = new Map<string, boolean>();
  for (const { name, sql } of migrations) {
    const { stmts = [] } = await parse(sql);
    const statements = stmts.flatMap(({ stmt }) => stmt ?? []);
    const reader = createReader(indexes, (rule, what) => offences.push({ migration: name, rule, what }));
    for (const statement of statements) reader.read(statement);
    reader.finish(statements);
  }
  return offences;
}

type Of<Name extends string> = Extract<Node, Record<Name, unknown>>[Name & keyof Extract<Node, Record<Name, unknown>>];
type Readers = { [Name in KeysOf<Node>]?: (statement: Of<Name & string>) => void };
type KeysOf<T> = T extends unknown ? keyof T : never;

function createReader(indexes: Map<string, boolean>, report: (rule: Rule, what: string) => void) {
  /** Tables, types, functions and columns that this migration made. */
  const made = new Set<string>();
  const notValid = new Set<string>();
  const values: string[] = [];
  const existed = (name: string) => !made.has(name);
  const reportOld = (rule: Rule, name: string) => existed(name) && report(rule, name);
  const nothing = () => {};

  function addColumn(table: string, { colname = '', constraints = [], typeName }: ColumnDef) {
    const what = `${table}.${colname}`;
    made.add(what);
    const all = constraints.map((one) => (one as { Constraint: Constraint }).Constraint);
    const has = (type: Constraint['contype']) => all.find(({ contype }) => contype === type);
    const fallback = has('CONSTR_DEFAULT');
    const serial = /serial/.test(namesOf(typeName?.names).join('.'));
    const computed = has('CONSTR_GENERATED') ?? has('CONSTR_IDENTITY');
    if ((has('CONSTR_NOTNULL') || has('CONSTR_PRIMARY')) && !fallback && !computed && !serial) report('required', what);
    if (serial || (computed && computed.generated_kind !== 'v') || isVolatile(fallback?.raw_expr))
      report('rewritten', what);
    if (has('CONSTR_UNIQUE') || has('CONSTR_PRIMARY')) report('indexed', what);
    // A new column that is NULL everywhere is known to refer to nothing.
    if (has('CONSTR_CHECK') || (has('CONSTR_FOREIGN') && fallback)) report('scanned', what);
  }

  function addConstraint(table: string, constraint: Constraint) {
    const { contype, conname = '', skip_validation: unchecked, indexname } = constraint;
    const what = `${table}.${conname}`;
    if (unchecked) notValid.add(what);
    if (contype === 'CONSTR_CHECK' || contype === 'CONSTR_FOREIGN' || contype === 'CONSTR_NOTNULL') {
      if (!unchecked) report('scanned', what);
    } else if (!indexname) report('indexed', what);
  }

  const changes: Record<string, (table: string, name: string, def: Node | undefined) => void> = {
    AT_AddColumn: (table, _name, def) => addColumn(table, (def as { ColumnDef: ColumnDef }).ColumnDef),
    AT_AddConstraint: (table, _name, def) => addConstraint(table, (def as { Constraint: Constraint }).Constraint),
    AT_ValidateConstraint: (table, name) =>
      notValid.has(`${table}.${name}`) && report('validated at once', `${table}.${name}`),
    AT_DropColumn: (table, name) => reportOld('dropped', `${table}.${name}`),
    AT_DropConstraint: (table, name) => report('dropped', `${table}.${name}`),
    // Also of a column that the same migration added: the table is there all the same.
    AT_AlterColumnType: (table, name) => report('retyped', `${table}.${name}`),
    AT_SetNotNull: (table, name) => report('required', `${table}.${name}`),
    AT_ColumnDefault: (table, name, def) => def === undefined && report('default taken', `${table}.${name}`),
    AT_EnableRowSecurity: (table) => report('rights taken', table),
    AT_ForceRowSecurity: (table) => report('rights taken', table),
    // Settings of storage, which take a short lock and touch no row.
    AT_SetRelOptions: nothing,
    AT_ResetRelOptions: nothing,
    AT_SetStatistics: nothing,
    AT_DropNotNull: nothing,
  };

  const change = (relation: { relname?: string } | undefined, where: Node | undefined) => {
    const table = relation?.relname ?? '';
    if (existed(table) && !namesRows(where)) report('all rows', table);
  };

  const readers: Readers = {
    CreateStmt: ({ relation }) => made.add(relation?.relname ?? ''),
    CreateEnumStmt: ({ typeName }) => made.add(lastOf(typeName)),
    CompositeTypeStmt: ({ typevar }) => made.add(typevar?.relname ?? ''),
    ViewStmt: ({ view, replace }) =>
      replace ? reportOld('unknown', view?.relname ?? '') : made.add(view?.relname ?? ''),
    CreateSeqStmt: ({ sequence }) => made.add(sequence?.relname ?? ''),
    CreateFunctionStmt({ funcname, replace }) {
      // With other insides the release before does other things by it.
      if (replace) reportOld('unknown', lastOf(funcname));
      made.add(lastOf(funcname));
    },
    CreateSchemaStmt: nothing,
    CommentStmt: nothing,
    SelectStmt: nothing,
    InsertStmt: ({ withClause }) => withClause && report('unreadable', 'INSERT with WITH'),
    CreateTrigStmt: nothing,
    // Without row-level security it says nothing, and with it one more allows more.
    CreatePolicyStmt: ({ table, permissive }) => permissive || reportOld('rights taken', table?.relname ?? ''),
    GrantStmt: ({ is_grant: isGrant }) => isGrant || report('rights taken', 'REVOKE'),
    IndexStmt({ relation, idxname = '', unique = false, concurrent }) {
      indexes.set(idxname, unique);
      if (concurrent) report('indexed', idxname);
      else if (existed(relation?.relname ?? '')) report('indexed', idxname);
    },
    AlterTableStmt({ relation, cmds = [] }) {
      const table = relation?.relname ?? '';
      for (const cmd of cmds) {
        const {
          subtype = '',
          name = '',
          def,
        } = (cmd as { AlterTableCmd: { subtype?: string; name?: string; def?: Node } }).AlterTableCmd;
        const read = changes[subtype];
        if (!existed(table)) continue;
        if (read) read(table, name, def);
        else report('unknown', `${table}: ${subtype}`);
      }
    },
    AlterEnumStmt({ typeName, oldVal, newVal = '' }) {
      if (oldVal !== undefined) reportOld('renamed', `${lastOf(typeName)}.${oldVal}`);
      else if (existed(lastOf(typeName))) values.push(newVal);
    },
    RenameStmt({ renameType, relation, subname, object }) {
      const name = relation?.relname ?? namesIn(object);
      if (renameType === 'OBJECT_INDEX') return void (indexes.get(name) === false || report('renamed', name));
      if (existed(name)) report('renamed', subname ? `${name}.${subname}` : name);
    },
    DropStmt({ removeType, objects = [] }) {
      for (const name of objects.map(namesIn)) {
        // A trigger or a policy names its table, too.
        const plain = name.slice(name.lastIndexOf('.') + 1);
        if (removeType === 'OBJECT_INDEX' && indexes.get(plain) === false) continue;
        if (existed(plain)) report('dropped', name);
      }
    },
    TruncateStmt: ({ relations = [] }) => {
      for (const one of relations) reportOld('all rows', namesIn(one));
    },
    UpdateStmt: ({ relation, whereClause }) => change(relation, whereClause),
    DeleteStmt: ({ relation, whereClause }) => change(relation, whereClause),
    TransactionStmt: ({ kind }) => report('transaction', kind ?? ''),
    DoStmt: () => report('unreadable', 'DO'),
  };

  return {
    read(statement: Node) {
      const [[kind, content] = []] = Object.entries(statement);
      const reader = readers[kind as keyof Readers] as ((content: unknown) => void) | undefined;
      if (reader) reader(content);
      else report('unknown', String(kind));
    },
    /** A value may be used before or after the line that adds it: it stands in one transaction with all of them. */
    finish(statements: Node[]) {
      const used = new Set(statements.filter((one) => !('AlterEnumStmt' in one)).flatMap(stringsIn));
      for (const value of values) if (used.has(value)) report('fresh value', value);
    },
  };
}

/** Some rows by what they are called, and not all that have a quality: `id = 1`, `type IN ('a', 'b')`. */
function namesRows(where: Node | undefined): boolean {
  if (!where) return false;
  if ('BoolExpr' in where) {
    const { boolop, args = [] } = where.BoolExpr;
    return boolop === 'AND_EXPR' && args.some(namesRows);
  }
  if (!('A_Expr' in where)) return false;
  const { kind, name = [], lexpr, rexpr } = where.A_Expr;
  const compares = (kind === 'AEXPR_OP' || kind === 'AEXPR_IN') && namesOf(name)[0] === '=';
  return compares && lexpr !== undefined && 'ColumnRef' in lexpr && isConstant(rexpr);
}

function isConstant(value: Node | undefined): boolean {
  if (!value) return false;
  if ('A_Const' in value) return true;
  if ('TypeCast' in value) return isConstant(value.TypeCast.arg);
  return 'List' in value && (value.List.items ?? []).every(isConstant);
}

/** One value for all rows can stand in the catalog; of a function only `now` is known to give one. */
function isVolatile(expression: Node | undefined): boolean {
  if (!expression) return false;
  if ('FuncCall' in expression) return namesOf(expression.FuncCall.funcname).at(-1) !== 'now';
  if ('TypeCast' in expression) return isVolatile(expression.TypeCast.arg);
  return !('A_Const' in expression || 'SQLValueFunction' in expression || 'A_ArrayExpr' in expression);
}

function namesOf(names: Node[] = []): string[] {
  return names.flatMap((name) => ('String' in name ? (name.String.sval ?? '') : []));
}

const lastOf = (names: Node[] | undefined): string => namesOf(names).at(-1) ?? '';

/** Of what a DROP or RENAME is about: the parts of a qualified name, whatever it is wrapped into. */
function namesIn(object: Node | undefined): string {
  if (!object) return '';
  if ('RangeVar' in object) return object.RangeVar.relname ?? '';
  if ('List' in object) return namesOf(object.List.items).join('.');
  if ('TypeName' in object) return lastOf(object.TypeName.names);
  if ('ObjectWithArgs' in object) return lastOf(object.ObjectWithArgs.objname);
  return 'String' in object ? (object.String.sval ?? '') : '';
}

/** All string constants of a statement, and those within the text of a function. */
function stringsIn(node: unknown): string[] {
  if (typeof node !== 'object' || node === null) return [];
  const { sval } = node as { sval?: unknown };
  const own = typeof sval === 'string' ? [sval, ...[...sval.matchAll(/'([^']*)'/g)].map(([, text]) => text!)] : [];
  return [...own, ...Object.values(node).flatMap(stringsIn)];
}
