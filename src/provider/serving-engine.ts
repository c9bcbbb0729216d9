import type { EngineContext, Provider } from './engine.ts';
import type { PublishedDocuments } from './published.ts';

/** An engine that serves one key set, and what it publishes about itself. */
export interface ServingEngine {
  provider: Provider;
  documents: PublishedDocuments;
  /** Has the engine answer a browser. */
  answerBrowser(ctx: EngineContext): Promise<void>;
  /** What has to be done about an answer before it is sent. */
  afterProgram(ctx: EngineContext): Promise<void> | undefined;
  afterBrowser(ctx: EngineContext): Promise<void>;
}

/** What the engine could not answer; it tells callers as little as it should. */
const failures = new WeakMap<object, Error>();

/** Remembers failures of the engine's own, for `failureOf`. */
export function noteFailures(provider: Provider): void {
  provider.on('server_error', (ctx, error) => void failures.set(ctx, error));
}

export function failureOf(ctx: EngineContext): Error | undefined {
  return failures.get(ctx);
}
