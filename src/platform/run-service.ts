import { isAppError } from './errors.ts';
import { isOperatorError, OperatorError } from './operator-error.ts';

/** What `main.ts` runs: `createApp` answers with one. */
export interface Service {
  listen(): Promise<{ url: string }>;
  /** Only while there is no administrator. */
  setupLink?: string;
  /** Never in production. */
  mailboxUrl?: string;
  /** In reverse order of making. */
  close(): Promise<void>;
}

export interface RunOptions {
  create(): Promise<Service>;
  /** Longest time that open requests get after a signal. */
  shutdownTimeout?: number;
}

/**
 * The life of the process: create, listen, wait for SIGTERM or SIGINT, close. Prints where to go and nothing else; a start that
 * fails prints one clear text and ends with 1.
 */
export async function runService({ create, shutdownTimeout = 30_000 }: RunOptions): Promise<void> {
  let service: Service | undefined;
  try {
    service = await create();
    const { url } = await service.listen();
    // Before anybody can read that it is ready, and so stop it.
    closeOnSignal(service, shutdownTimeout);
    print(process.stdout, describe(url, service));
  } catch (error) {
    print(process.stderr, explainFailure(error));
    await service?.close().catch(() => {});
    process.exit(1);
  }
}

function describe(url: string, { setupLink, mailboxUrl }: Service): string {
  return [
    `Daemun is ready at ${url}`,
    ...(setupLink ? [`Set up the first administrator (the link works once): ${setupLink}`] : []),
    ...(mailboxUrl ? [`Mail is kept at ${mailboxUrl}`] : []),
  ].join('\n');
}

const BUSY =
  'The database did not answer in time: it is busy, a lock is held there, or the network is cut. Nothing was broken by that; start again.';

/** For whoever runs the service: the text alone when it was written for them, the whole error when it is a defect. */
export function explainFailure(error: unknown): string {
  const known = listenFailure(error) ?? error;
  if (isOperatorError(known)) return known.message;
  if (isAppError(known) && known.code === 'unavailable') return BUSY;
  const { stack, message, cause } = (known ?? {}) as Error;
  return `${stack ?? message ?? String(known)}${cause ? `\ncaused by ${explainFailure(cause)}` : ''}`;
}

function listenFailure(error: unknown): OperatorError | undefined {
  const { syscall, code, address, port } = (error ?? {}) as NodeJS.ErrnoException & { address?: string; port?: number };
  if (syscall !== 'listen' && syscall !== 'getaddrinfo') return undefined;
  switch (code) {
    case 'EADDRINUSE':
      return new OperatorError(`Port ${port} on ${address} is in use by another process. Stop it, or set PORT.`, error);
    case 'EACCES':
      return new OperatorError(`This user may not listen on port ${port}. Set PORT to 1024 or above.`, error);
    default:
      return new OperatorError(`Cannot listen on ${address ?? 'the address in HOST'} (${code}). Check HOST.`, error);
  }
}

function closeOnSignal(service: Service, timeout: number): void {
  let closing = false;
  const stop = () => {
    // The second signal means now.
    if (closing) process.exit(1);
    closing = true;
    setTimeout(() => process.exit(1), timeout).unref();
    service.close().then(
      () => process.exit(0),
      (error: unknown) => {
        print(process.stderr, explainFailure(error));
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

function print(stream: NodeJS.WriteStream, text: string): void {
  stream.write(`${text}\n`);
}
