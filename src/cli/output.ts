import type { CommandContext } from './command.ts';

export type Cell = string | number | boolean | Date | undefined;

/** One JSON document, or what `human` makes of it. */
export function print(context: CommandContext, json: boolean, value: unknown, human: () => string): void {
  context.write(`${json ? JSON.stringify(value, null, 2) : human()}\n`);
}

/** `label  value` lines; fields without a value are left out. */
export function fieldsOf(fields: [label: string, value: Cell | Cell[]][]): string {
  const lines = fields.flatMap(([label, value]) => {
    const values = (Array.isArray(value) ? value : [value]).filter((one) => one !== undefined && one !== '');
    return values.map((one, index): [string, string] => [index === 0 ? label : '', textOf(one)]);
  });
  const width = Math.max(0, ...lines.map(([label]) => label.length));
  return lines.map(([label, value]) => `  ${label.padEnd(width)}  ${value}`).join('\n');
}

/** One page of a list as a table, with the command for the next one. `none`: what to say where there is nothing at all. */
export function pageOf(
  { command, none, headings, next }: { command: string; none: string; headings: string[]; next: string | undefined },
  rows: Cell[][],
): string {
  if (rows.length === 0) return none;
  return tableOf(headings, rows) + (next === undefined ? '' : `\n\nMore: daemun ${command} --after ${next}`);
}

/** What came of disabling or enabling something, `name` being what it was called in the command. */
export function printState(
  context: CommandContext,
  json: boolean,
  { id, name = id, verb, changed }: { id: string; name?: string; verb: 'disable' | 'enable'; changed: boolean },
): void {
  const state = verb === 'disable' ? 'disabled' : 'active';
  print(context, json, { id, state, changed }, () => `${name} ${changed ? `is ${verb}d` : `was ${verb}d already`}.`);
}

export function tableOf(headings: string[], rows: Cell[][]): string {
  const cells = [headings, ...rows.map((row) => row.map(textOf))];
  const widths = headings.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  return cells
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Control characters out of the database must not steer the terminal. */
function textOf(value: Cell): string {
  if (value === undefined) return '-';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return (value instanceof Date ? value.toISOString() : String(value)).replace(/\p{Cc}/gu, '\uFFFD');
}
