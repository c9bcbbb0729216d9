import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A whole request, body included, must have arrived by then. */
const REQUEST_TIMEOUT = 10_000;
/** Longer than the idle time of common load balancers, so that they and not we close a connection they may be using. */
const KEEP_ALIVE_TIMEOUT = 65_000;
const DRAIN_TIMEOUT = 25_000;
const IDLE_CHECK = 100;

export interface HttpServer {
  /** The port that was given, also when 0 was asked for. */
  listen(at: { host: string; port: number }): Promise<number>;
  /** Takes no new connection, lets requests finish, then closes what is left. */
  close(): Promise<void>;
}

export function createHttpServer(listener: RequestListener): HttpServer {
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT, headersTimeout: REQUEST_TIMEOUT, keepAliveTimeout: KEEP_ALIVE_TIMEOUT },
    listener,
  );
  return {
    listen: (at) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(at, () => resolve((server.address() as AddressInfo).port));
      }),
    close: () => (server.listening ? drain(server) : Promise.resolve()),
  };
}

async function drain(server: Server): Promise<void> {
  const impatience = setTimeout(() => server.closeAllConnections(), DRAIN_TIMEOUT);
  // A connection that was busy becomes idle once its request is answered, and would be kept for the next one.
  const tidying = setInterval(() => server.closeIdleConnections(), IDLE_CHECK);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
  clearTimeout(impatience);
  clearInterval(tidying);
}
