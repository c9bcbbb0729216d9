import { readCallback } from './callback.ts';
import type { Breaker } from './circuit-breaker.ts';
import { failed, failureOf } from './failure.ts';
import type { UpstreamOutcome } from './upstream.ts';

export interface Finish {
  issuers: readonly string[];
  breaker: Breaker;
  /** @throws whatever an upstream can cause */
  identify(code: string, signal: AbortSignal): Promise<UpstreamOutcome>;
}

/** The way back, alike for every provider: the callback first, and of what goes wrong afterwards an outcome. */
export async function finish(
  response: URLSearchParams,
  { issuers, breaker, identify }: Finish,
): Promise<UpstreamOutcome> {
  const callback = readCallback(response, issuers);
  if ('kind' in callback) return callback;
  try {
    return await breaker.run((signal) => identify(callback.code, signal));
  } catch (error) {
    return failed(failureOf(error));
  }
}
