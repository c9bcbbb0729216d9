import { createVoice, type Voice } from './voice.ts';

/** What `main.ts` runs: `createApp` answers with one. */
export interface Service {
  listen(): Promise<{ url: string }>;
  /** Only while there is no administrator, and never in production: it is a secret, and what is said here is kept with the log. */
  setupLink?: string;
  /** What prints one instead. */
  setupCommand?: string;
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
  /** Speaks as the log does, in JSON lines, and not as text for people. */
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
 * fails, and a defect that nobody caught, print one text (in production one line) and end with 1.
 */
export async function runService(options: RunOptions): Promise<void> {
  const { create, production = false, shutdownTimeout = 30_000, stopRequests = () => {} } = options;
  const { announce = (text) => print(process.stdout, text) } = options;
  const voice = createVoice(production);
  const end = (error: unknown) => {
    print(process.stderr, voice.fail(error));
    process.exit(1);
  };
  const heed = heedSignals();
  // Nobody knows what state is left behind, so nothing goes on. Node would print all that an error carries: rows, values. S-037
  process.on('uncaughtException', end);
  let service: Service | undefined;
  try {
    service = await create();
    const { url } = await service.listen();
    // Before anybody can read that it is ready, and so stop it.
    const stop = closing(service, shutdownTimeout, end);
    heed(stop);
    stopRequests(stop);
    announce(describe(url, service, voice));
  } catch (error) {
    print(process.stderr, voice.fail(error));
    await service?.close().catch(() => {});
    process.exit(1);
  }
}

function describe(url: string, { setupLink, setupCommand, mailboxUrl }: Service, { tell }: Voice): string {
  const lines = [tell(`Daemun is ready at ${url}`, { url })];
  if (setupLink) lines.push(tell(`Set up the first administrator (the link works once): ${setupLink}`, { setupLink }));
  if (setupCommand) lines.push(tell(`There is no administrator yet. For a link that makes one: ${setupCommand}`));
  if (mailboxUrl) lines.push(tell(`Mail is kept at ${mailboxUrl}`, { mailboxUrl }));
  return lines.join('\n');
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
function closing(service: Service, timeout: number, fail: (error: unknown) => void): Stop & { hasBegun(): boolean } {
  let begun = false;
  const stop: Stop = (how) => {
    if (begun) return;
    begun = true;
    setTimeout(() => process.exit(1), timeout + (service.shutdownDelay ?? 0)).unref();
    service.close(how).then(() => process.exit(0), fail);
  };
  return Object.assign(stop, { hasBegun: () => begun });
}

function print(stream: NodeJS.WriteStream, text: string): void {
  stream.write(`${text}\n`);
}
