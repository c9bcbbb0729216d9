import cluster from 'node:cluster';
import type { RunOptions } from '../run-service.ts';
import { isStop, type WorkerMessage } from './messages.ts';

/** Undefined in a process that nobody watches over. The first worker is the one that speaks for all. */
export function asWorker():
  | { isFirst: boolean; runOptions: Pick<RunOptions, 'announce' | 'stopRequests'> }
  | undefined {
  const { worker } = cluster;
  if (!worker) return undefined;
  return {
    isFirst: worker.id === 1,
    runOptions: {
      announce: (text) => {
        worker.send({ daemun: 'ready', text } satisfies WorkerMessage);
      },
      // Beside signals, which a terminal and a service manager send to all processes, ours included.
      stopRequests: (stop) => {
        process.on('message', (message) => {
          if (isStop(message)) stop({ isReplaced: message.isReplaced });
        });
      },
    },
  };
}
