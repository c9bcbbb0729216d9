// @ts-expect-error A plain script without types.
import { startPgbouncer as start } from '../../scripts/pgbouncer.mjs';

export interface Pgbouncer {
  /** The same role and database, through the pooler. */
  through(url: string): string;
  close(): Promise<void>;
}

/** PgBouncer as deploy/pgbouncer sets it up, in front of a server that trusts us. */
export const startPgbouncer = (program: string, server: string): Promise<Pgbouncer> => start(program, [server]);
