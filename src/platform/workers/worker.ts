import cluster from 'node:cluster';
import type { RunOptions } from '../run-service.ts';
import { isMessage, type WorkerFigures, type WorkerMessage } from './messages.ts';

let readFigures: (() => Promise<WorkerFigures>) | undefined;

/** Has the process above told, whenever it asks, what this one counts. */
export function tellFigures(read: () => Promise<WorkerFigures>): void {
  readFigures = read;
}

/** Undefined in a process that nobody watches over. The first worker is the one that speaks for all. */
export function asWorker():
  | { isFirst: boolean; runOptions: Pick<RunOptions, 'announce' | 'stopRequests'> }
  | undefined {
  const { worker } = cluster;
  if (!worker) return undefined;
  // From the first moment: who does not answer is taken for one that hangs.
  process.on('message', (message) => {
    if (isMessage(message, 'ask')) void answer(message.number, message.withFigures);
  });
  return {
    isFirst: worker.id === 1,
    runOptions: {
      announce: (text) => {
        worker.send({ daemun: 'ready', text } satisfies WorkerMessage);
      },
      // Beside signals, which a terminal and a service manager send to all processes, ours included.
      stopRequests: (stop) => {
        process.on('message', (message) => {
          if (isMessage(message, 'stop')) stop({ isReplaced: message.isReplaced });
        });
      },
    },
  };
}

async function answer(number: number, withFigures: boolean): Promise<void> {
  const figures = withFigures ? await readFigures?.().catch(() => undefined) : undefined;
  // Its channel is gone when the process above is.
  process.send?.({ daemun: 'answer', number, ...(figures && { figures }) } satisfies WorkerMessage, () => {});
}
