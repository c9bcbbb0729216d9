import type { Database } from '../../src/platform/database/database.ts';

/** A database on which something can happen between two statements of one request. */
export interface Interruptible extends Database {
  /** Once, right after the next statement whose name begins so was answered, and before whoever asked goes on. */
  afterNext(statement: string, happens: () => Promise<unknown>): void;
  /** The same after the next one that brought an account, by itself or along with a session or a token. */
  afterNextAccount(happens: () => Promise<unknown>): void;
  /** Whether all that was to happen has happened. */
  isQuiet(): boolean;
}

export function interruptible(original: Database): Interruptible {
  let next: { isIt(name: string, rows: unknown[]): boolean; happens: () => Promise<unknown> } | undefined;
  const pool = new Proxy(original.pool, {
    get(target, property) {
      if (property !== 'query') return Reflect.get(target, property);
      return async (config: { name?: string }, ...rest: []) => {
        const answer = await target.query(config as never, ...rest);
        if (next?.isIt(config.name ?? '', (answer as { rows: unknown[] }).rows)) {
          const { happens } = next;
          next = undefined;
          await happens();
        }
        return answer;
      };
    },
  });
  return {
    ...original,
    pool,
    afterNext(statement, happens) {
      next = { isIt: (name) => name.startsWith(statement), happens };
    },
    afterNextAccount(happens) {
      next = { isIt: (name, rows) => name.startsWith('accounts.find.') || hasAccount(name, rows), happens };
    },
    isQuiet: () => next === undefined,
  };
}

function hasAccount(name: string, rows: unknown[]): boolean {
  return name.startsWith('artifacts.find.') && rows.some((row) => (row as (string | null)[])[6] !== null);
}
