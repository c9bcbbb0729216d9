import type { Logger } from './logger.ts';

/**
 * Repeats `work` about every `interval` milliseconds, never twice at once, with a tenth of jitter so that nodes which started together
 * drift apart. Returns what stops it, after the round that is under way.
 */
export function periodically(
  name: string,
  interval: number,
  work: () => Promise<unknown>,
  logger: Pick<Logger, 'warn'>,
): () => Promise<void> {
  let stopped = false;
  let running: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout;

  function plan(): void {
    timer = setTimeout(
      () => {
        running = round();
      },
      interval * (0.9 + Math.random() * 0.2),
    ).unref();
  }

  async function round(): Promise<void> {
    try {
      await work();
    } catch (error) {
      logger.warn({ error }, `${name} failed and is tried again later`);
    }
    if (!stopped) plan();
  }

  plan();
  return async () => {
    stopped = true;
    clearTimeout(timer);
    await running;
  };
}
