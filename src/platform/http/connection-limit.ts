import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { createBoundedLog } from '../bounded-log.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';

export interface ConnectionLimitOptions {
  /** Connections at once. */
  most: number;
  metrics: Metrics;
  logger: Pick<Logger, 'warn'>;
}

/** `idle`: one on which nothing was being answered. `new`: the one that came, since all others were busy. */
const CLOSED_CONNECTIONS = ['idle', 'new'] as const;

/**
 * Keeps connections at a number. One that is too many takes the place of the oldest that has not asked for anything yet, and where
 * there is none, of the one on which nothing has been answered for the longest time: thousands that say nothing, or say it slowly,
 * close each other and take no place from those who ask, nor from those that a proxy keeps. Only where all are busy the new one is
 * refused.
 */
export function limitConnections(server: Server, { most, metrics, logger }: ConnectionLimitOptions): void {
  /** With the number of requests that are being answered on each. */
  const connections = new Map<Socket, number>();
  /** Those on which none was so far, the oldest first. */
  const silent = new Set<Socket>();
  /** Those on which none is any more, the longest first. */
  const idle = new Set<Socket>();
  const mayLog = createBoundedLog({ lines: 1, period: 60_000 });

  const count = metrics.counter('daemun_connections_closed_total', 'Connections closed because there were too many.', [
    'which',
  ]);
  for (const which of CLOSED_CONNECTIONS) count({ which }, 0);
  metrics.gauge('daemun_connections', 'Connections that are open.', [], (set) => set(connections.size), 'sum');

  function closeOne(fresh: Socket): void {
    // The fresh one is the last of the silent.
    const [longest = fresh] = silent.size > 1 ? silent : idle;
    const which = longest === fresh ? 'new' : 'idle';
    forget(longest);
    longest.destroy();
    count({ which });
    const leftOut = mayLog(which);
    if (leftOut !== undefined) {
      logger.warn(
        { which, most, leftOut },
        'there are too many connections: some are closed (DAEMUN_MOST_CONNECTIONS)',
      );
    }
  }

  function forget(socket: Socket): void {
    connections.delete(socket);
    silent.delete(socket);
    idle.delete(socket);
  }

  server.on('connection', (socket: Socket) => {
    connections.set(socket, 0);
    silent.add(socket);
    socket.once('close', () => forget(socket));
    if (connections.size > most) closeOne(socket);
  });

  server.on('request', ({ socket }, res: ServerResponse) => {
    const before = connections.get(socket);
    if (before === undefined) return;
    connections.set(socket, before + 1);
    silent.delete(socket);
    idle.delete(socket);
    res.once('close', () => {
      const open = connections.get(socket);
      if (open === undefined) return;
      connections.set(socket, open - 1);
      if (open === 1) idle.add(socket);
    });
  });
}
