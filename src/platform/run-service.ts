import { errorText } from './error-text.ts';
import { isAppError } from './errors.ts';
import { logLine } from './log-line.ts';
import { isOperatorError, OperatorError } from './operator-error.ts';
import { oneLine } from './printable.ts';

/** What `main.ts` runs: `createApp` answers with one. */
export interface Service {
  listen(): Promise<{ url: string }>;
  /** Only while there is no administrator. */
  setupLink?: string;
  /** Never in production. */
  mailboxUrl?: string;
  /** Milliseconds for which `close` goes on taking requests. */
  shutdownDelay?: number;
  /** In reverse order of making. `isReplaced`: others answer at the same address, so nobody has to be told. */
  close(how?: { isReplaced?: boolean }): Promise<void>;
}

type Stop = (how?: { isReplaced?: boolean }) => void;

export interface RunOptions {
  create(): Promise<Service>;
  /** Says where to go as the log does, in JSON lines, and not as text for people. */
  production?: boolean;
  /** Longest time that everything together gets after a signal, in milliseconds, `shutdownDelay` not counted. */
  shutdownTimeout?: number;
  /** Told where to go instead of standard output. */
  announce?: (text: string) => void;
  /** Given what begins the end, for whoever asks for it by something else than a signal. May be called more than once. */
  stopRequests?: (stop: Stop) => void;
}

/**
 * The life of the process: create, listen, wait for SIGTERM or SIGINT, close. Prints where to go and nothing else; a start that
 * fails, and a defect that nobody caught, print one text and end with 1.
 */
export async function runService(options: RunOptions): Promise<void> {
  const { create, production = false, shutdownTimeout = 30_000, stopRequests = () => {} } = options;
  const { announce = (text) => print(process.stdout, text) } = options;
  const heed = heedSignals();
  process.on('uncaughtException', endByDefect);
  let service: Service | undefined;
  try {
    service = await create();
    const { url } = await service.listen();
    // Before anybody can read that it is ready, and so stop it.
    const stop = closing(service, shutdownTimeout);
    heed(stop);
    stopRequests(stop);
    announce(describe(url, service, production));
  } catch (error) {
    print(process.stderr, explainFailure(error));
    await service?.close().catch(() => {});
    process.exit(1);
  }
}

function describe(url: string, { setupLink, mailboxUrl }: Service, production: boolean): string {
  const lines: [text: string, fields: Record<string, string>][] = [[`Daemun is ready at ${url}`, { url }]];
  if (setupLink) lines.push([`Set up the first administrator (the link works once): ${setupLink}`, { setupLink }]);
  if (mailboxUrl) lines.push([`Mail is kept at ${mailboxUrl}`, { mailboxUrl }]);
  return lines.map(([text, fields]) => (production ? logLine('info', text, fields) : text)).join('\n');
}

const BUSY =
  'The database did not answer in time: it is busy, a lock is held there, or the network is cut. Nothing was broken by that; start again.';

/** For whoever runs the service: the text alone when it was written for them, the whole error when it is a defect. */
export function explainFailure(error: unknown): string {
  const known = listenFailure(error) ?? error;
  if (isOperatorError(known)) return known.message;
  if (isAppError(known) && known.code === 'unavailable') return BUSY;
  if (!(known && typeof known === 'object' && 'message' in known)) return oneLine(String(known));
  const { cause } = known as Error;
  return `${errorText(known as Error)}${cause ? `\ncaused by ${explainFailure(cause)}` : ''}`;
}

/** What `HttpServer.listen` rejects with. */
interface ListenError extends NodeJS.ErrnoException {
  address?: string;
  port?: number;
  portVariable?: string;
}

function listenFailure(error: unknown): OperatorError | undefined {
  const { syscall, code, address, port, portVariable = 'PORT' } = (error ?? {}) as ListenError;
  // `bind` is what a worker is told, for whom the process above listens.
  if (syscall !== 'listen' && syscall !== 'bind' && syscall !== 'getaddrinfo') return undefined;
  switch (code) {
    case 'EADDRINUSE':
      return new OperatorError(
        `Port ${port} on ${address} is in use by another process. Stop it, or set ${portVariable}.`,
        error,
      );
    case 'EACCES':
      return new OperatorError(
        `This user may not listen on port ${port}. Set ${portVariable} to 1024 or above.`,
        error,
      );
    default:
      return new OperatorError(`Cannot listen on ${address ?? 'the address in HOST'} (${code}). Check HOST.`, error);
  }
}

/**
 * What a signal does from now on, which is to be told: until then nothing was begun that would have to be finished, and the process
 * just ends. Process 1 of a container would not even do that by itself.
 */
function heedSignals(): (stop: Stop & { hasBegun(): boolean }) => void {
  let heed: () => void = () => process.exit(0);
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => heed());
  return (stop) => {
    heed = () => {
      // The second signal means now.
      if (stop.hasBegun()) process.exit(1);
      stop();
    };
  };
}

/** Closes the service and ends the process, once, however often it is called. */
function closing(service: Service, timeout: number): Stop & { hasBegun(): boolean } {
  let begun = false;
  const stop: Stop = (how) => {
    if (begun) return;
    begun = true;
    setTimeout(() => process.exit(1), timeout + (service.shutdownDelay ?? 0)).unref();
    service.close(how).then(
      () => process.exit(0),
      (error: unknown) => {
        print(process.stderr, explainFailure(error));
        process.exit(1);
      },
    );
  };
  return Object.assign(stop, { hasBegun: () => begun });
}

/** Nobody knows what state is left behind, so nothing goes on. Node would print all that an error carries: rows, values. S-037 */
function endByDefect(error: unknown): void {
  print(process.stderr, explainFailure(error));
  process.exit(1);
}

function print(stream: NodeJS.WriteStream, text: string): void {
  stream.write(`${text}\n`);
}
