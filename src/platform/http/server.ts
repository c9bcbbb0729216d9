import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionLimitOptions, limitConnections } from './connection-limit.ts';

/** A whole request, body included, must have arrived by then. */
const REQUEST_TIMEOUT = 10_000;
/** How often that is looked at; Node's own thirty seconds would be three times as long as the limit itself. */
const LOOK_INTERVAL = 1_000;
/** Longer than the idle time of common load balancers, so that they and not we close a connection they may be using. */
const KEEP_ALIVE_TIMEOUT = 65_000;
const DRAIN_TIMEOUT = 25_000;
const IDLE_CHECK = 100;
/** How long connections may still be taken that came before the end; somebody who never stops making new ones must not stop it. */
const TAKING = 5_000;
/** A turn of the event loop in which there was nothing to do is shorter than this. */
const QUIET = 0.2;
/** How long a connection on which nobody has asked for anything yet may still do so when everything ends. */
const SILENCE = 3_000;
/** How long a connection that was refused may still send. */
const LINGER = 1_000;

export interface HttpServer {
  /** The port that was given, also when 0 was asked for. `portVariable`: by what an operator chooses it, if not by PORT. */
  listen(at: { host: string; port: number; portVariable?: string }): Promise<number>;
  /** From now on each answer closes its connection, so that balancers and clients go elsewhere with what comes next. */
  endKeepAlive(): void;
  /** Takes no new connection, lets requests finish, then closes what is left. */
  close(): Promise<void>;
}

/** `limit`: for a port that anybody reaches. */
export function createHttpServer(listener: RequestListener, limit?: ConnectionLimitOptions): HttpServer {
  const answering = new Set<ServerResponse>();
  const connections = new Set<Socket>();
  let keepsAlive = true;
  let taken = 0;
  const server = createServer(
    {
      requestTimeout: REQUEST_TIMEOUT,
      headersTimeout: REQUEST_TIMEOUT,
      connectionsCheckingInterval: LOOK_INTERVAL,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT,
    },
    (req, res) => {
      answering.add(res);
      res.once('close', () => answering.delete(res));
      if (!keepsAlive) res.shouldKeepAlive = false;
      listener(req, res);
    },
  );
  if (limit) limitConnections(server, limit);
  server.on('clientError', refuse);
  server.on('connection', (socket: Socket) => {
    taken += 1;
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });

  function endKeepAlive(): void {
    keepsAlive = false;
    // Node says `Connection: close` for them, unless they have begun.
    for (const res of answering) res.shouldKeepAlive = false;
  }

  function endSilent(): void {
    const busy = new Set([...answering].map(({ socket }) => socket));
    for (const socket of connections) if (!busy.has(socket)) socket.destroy();
  }

  return {
    endKeepAlive,
    listen: ({ portVariable = 'PORT', ...at }) =>
      new Promise((resolve, reject) => {
        server.once('error', (error) => reject(Object.assign(error, { portVariable })));
        server.listen(at, () => resolve((server.address() as AddressInfo).port));
      }),
    close() {
      endKeepAlive();
      return server.listening ? drain(server, { endSilent, countTaken: () => taken }) : Promise.resolve();
    },
  };
}

/** `endSilent`: what Node takes for busy because it may become a request, whose timeouts end with the listening. */
async function drain(
  server: Server,
  { endSilent, countTaken }: { endSilent: () => void; countTaken: () => number },
): Promise<void> {
  const impatience = setTimeout(() => server.closeAllConnections(), DRAIN_TIMEOUT);
  const deadline = performance.now() + TAKING;
  await whoCameIsTaken(countTaken, deadline);
  // First, so that little is done between the last look at who comes and the end of listening.
  server.closeIdleConnections();
  await whoCameIsTaken(countTaken, deadline);
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const silence = setTimeout(() => void whatArrivedIsRead().then(endSilent), SILENCE);
  // A connection that was busy becomes idle once its request is answered, and would be kept for the next one.
  const tidying = setInterval(() => void whatArrivedIsRead().then(() => server.closeIdleConnections()), IDLE_CHECK);
  await closed;
  clearTimeout(impatience);
  clearTimeout(silence);
  clearInterval(tidying);
}

/**
 * Node takes one connection each time it looks, and those it did not take are reset when it no longer listens: until none came, and
 * nothing else was done since it looked. Who connects in the fifth of a millisecond that is left is reset all the same.
 */
async function whoCameIsTaken(countTaken: () => number, deadline: number): Promise<void> {
  for (let before = -1, turn = 0; countTaken() > before || turn > QUIET; ) {
    before = countTaken();
    turn = await whatArrivedIsRead();
    if (performance.now() > deadline) return;
  }
}

/**
 * A process that was busy finds what came meanwhile all at once: connections to take, requests to read, the time to end. What is
 * closed before it was looked at is answered by nobody, and a proxy may not send it again. Answers how long ago the look may have
 * been, in milliseconds.
 */
function whatArrivedIsRead(): Promise<number> {
  return new Promise((resolve) =>
    // This may come before the event loop looks at sockets again, the next one comes after.
    setImmediate(() => {
      const began = performance.now();
      setImmediate(() => resolve(performance.now() - began));
    }),
  );
}

/**
 * What could not even be read as a request. What it still sends is dropped for a moment: closing at once would often reset the
 * connection before the answer was read.
 */
function refuse(error: Error, socket: Duplex): void {
  if (socket.writableEnded) return;
  // Node's own name for the response under way. In the middle of one there is no place for another.
  const { _httpMessage: response } = socket as { _httpMessage?: ServerResponse | null };
  if (!socket.writable || response?.headersSent || (error as NodeJS.ErrnoException).code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  socket.end(refusalOf(error));
  setTimeout(() => socket.destroy(), LINGER).unref();
}

/** The whole answer, as it goes over the wire. */
export function refusalOf(error: Error): string {
  const [status, text] = refusal((error as NodeJS.ErrnoException).code);
  return [
    `HTTP/1.1 ${status}`,
    'Connection: close',
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(text)}`,
    'Cache-Control: no-store',
    'X-Content-Type-Options: nosniff',
    '',
    text,
  ].join('\r\n');
}

function refusal(code: string | undefined): [status: string, text: string] {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return ['431 Request Header Fields Too Large', "The request's address or headers are too long.\n"];
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return ['408 Request Timeout', 'The request took too long to arrive.\n'];
    default:
      return ['400 Bad Request', 'The request is not valid HTTP.\n'];
  }
}
