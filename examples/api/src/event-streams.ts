import type { ServerResponse } from 'node:http';
import { Problem } from './problem.ts';

export interface StreamSettings {
  /** How many streams may be open at once. */
  readonly streams: number;
  /** Proxies and load balancers cut connections that stay silent, mostly after 30 or 60 s. */
  readonly heartbeatSeconds: number;
}

export interface StreamEvent {
  readonly id: string;
  readonly name: string;
  readonly data: unknown;
}

/** What a reader may fall behind before it is let go; it reconnects and gets the newest state. */
const MAX_UNSENT_BYTES = 1024 * 1024;

interface Stream {
  readonly response: ServerResponse;
  readonly endsAt: number;
}

/**
 * Server-sent events over any number of responses, with one timer for all of them.
 *
 * @see {@link https://html.spec.whatwg.org/multipage/server-sent-events.html HTML, server-sent events}
 */
export class EventStreams {
  readonly #open = new Set<Stream>();
  readonly #settings: StreamSettings;
  #heartbeat: NodeJS.Timeout | undefined;

  constructor(settings: StreamSettings) {
    this.#settings = settings;
  }

  /**
   * Turns the response into a stream.
   *
   * @param endsAt when the right to read ends, in milliseconds: a stream does not outlive the token that opened it
   * @param closed called once, however the stream ends
   * @returns the function that sends an event
   * @throws Problem 503 when too many are open
   */
  open(response: ServerResponse, endsAt: number, closed: () => void): (event: StreamEvent) => void {
    if (this.#open.size >= this.#settings.streams) {
      throw new Problem(503, 'Too many streams are open.', { headers: { 'retry-after': '10' } });
    }
    const stream = { response, endsAt };
    this.#open.add(stream);
    response.on('close', () => {
      this.#open.delete(stream);
      if (this.#open.size === 0) this.#stopBeating();
      closed();
    });
    response.statusCode = 200;
    response.setHeader('content-type', 'text/event-stream');
    response.setHeader('cache-control', 'no-store');
    response.setHeader('x-accel-buffering', 'no'); // nginx would otherwise collect events before passing them on
    response.write('retry: 2000\n\n');
    this.#startBeating();
    return (event) => send(response, `id: ${event.id}\nevent: ${event.name}\ndata: ${JSON.stringify(event.data)}\n\n`);
  }

  #startBeating(): void {
    this.#heartbeat ??= setInterval(() => this.#beat(), this.#settings.heartbeatSeconds * 1000).unref();
  }

  #stopBeating(): void {
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
  }

  #beat(): void {
    const now = Date.now();
    for (const { response, endsAt } of this.#open) {
      if (endsAt <= now) response.end();
      else send(response, ': still here\n\n');
    }
  }
}

function send(response: ServerResponse, text: string): void {
  if (response.destroyed || response.writableEnded) return; // on its way out: `close` follows
  if (response.writableLength > MAX_UNSENT_BYTES) response.destroy();
  else response.write(text);
}
