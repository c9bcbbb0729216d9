import { tracingChannel } from 'node:diagnostics_channel';
import type { OpenSpan, Tracing } from './tracing.ts';

/** As the client for Redis publishes them. */
const COMMANDS = 'node-redis:command';

/** A span for each command, by its name alone: keys are made of addresses and ids. Returns what ends it. */
export function traceRedis(tracing: Tracing): () => void {
  if (!tracing.isOn) return () => {};
  const channel = tracingChannel<string, { command?: unknown; error?: unknown }>(COMMANDS);
  const spans = new WeakMap<object, OpenSpan>();
  const subscribers = {
    start(message: { command?: unknown }) {
      const command = String(message.command ?? 'command').toUpperCase();
      const attributes = { 'db.system.name': 'redis', 'db.operation.name': command };
      spans.set(message, tracing.begin('client', command, attributes));
    },
    end() {},
    asyncStart() {},
    asyncEnd(message: { error?: unknown }) {
      spans.get(message)?.end(message.error === undefined ? {} : { error: message.error });
    },
    error() {},
  };
  channel.subscribe(subscribers);
  return () => void channel.unsubscribe(subscribers);
}
