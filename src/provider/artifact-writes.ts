import type { Pool } from 'pg';
import { createStatementBatch } from '../platform/database/statement-batch.ts';
import { prepared } from './artifact-statement.ts';
import {
  type DueWrites,
  LANES,
  type Lane,
  type Write,
  writeParameters,
  writeStatement,
} from './artifact-write-statement.ts';

/** `lost`: somebody spent or destroyed it before, or it is somebody else's. `refused`: its grant is revoked, or the row may not be written again. */
export type WriteOutcome = 'done' | 'lost' | 'refused';

export interface ArtifactWritesOptions {
  pool: Pool;
  refreshGrace: number;
  /** Whether they are answered only once they are on the disk. */
  isFlushed: boolean;
}

/** All writes of one turn of the event loop are one statement, whatever their kinds and whoever asked. */
export function createArtifactWrites(options: ArtifactWritesOptions): (write: Write) => Promise<WriteOutcome> {
  const { pool, refreshGrace, isFlushed } = options;
  type Answer = [place: string, won: string];
  const statements = new Map<string, (values: unknown[]) => Promise<Answer[]>>();

  function statement(lanes: Lane[]) {
    const name = `artifacts.${lanes.join('-')}${isFlushed ? '' : '-unflushed'}`;
    let run = statements.get(name);
    if (!run) {
      run = prepared<Answer>(pool, name, writeStatement(lanes, isFlushed));
      statements.set(name, run);
    }
    return run;
  }

  return createStatementBatch<Write, WriteOutcome>({
    keysOf,
    async send(writes) {
      const due = byLane(writes);
      const lanes = LANES.filter((lane) => due[lane].length > 0);
      const won = new Set<number>();
      const refused = new Set<number>();
      for (const [place, isWon] of await statement(lanes)(writeParameters(due, refreshGrace))) {
        (isWon === 't' ? won : refused).add(Number(place));
      }
      return writes.map(({ consume, destroy }, place) => {
        if ((consume || destroy) && !won.has(place)) return 'lost';
        return refused.has(place) ? 'refused' : 'done';
      });
    },
  });
}

function keysOf(write: Write): string[] {
  const keys: string[] = [];
  for (const id of [write.consume?.id, write.destroy?.id, write.end]) if (id) keys.push(id.toString('latin1'));
  for (const { id } of write.save ?? []) keys.push(id.toString('latin1'));
  return keys;
}

/** Rows are locked in the order of their ids: two statements that want the same ones cannot wait for each other. */
function byLane(writes: Write[]): DueWrites {
  const due: DueWrites = { consume: [], destroy: [], save: [], record: [], start: [], end: [] };
  const sorted = writes.map((write, place) => [place, write, idOf(write)] as const);
  sorted.sort(([, , first], [, , second]) => Buffer.compare(first, second));
  for (const [place, write] of sorted) {
    for (const lane of LANES) if (write[lane]) (due[lane] as [number, Write][]).push([place, write]);
  }
  return due;
}

function idOf({ consume, destroy, save, end }: Write): Buffer {
  return (consume?.id ?? destroy?.id ?? save?.[0]?.id ?? end)!;
}
