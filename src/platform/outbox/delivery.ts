import type { Claim } from './claims.ts';
import type { DeliveryOutcome, EffectHandlers } from './effect.ts';
import { type PayloadEncryption, payloadIdentity } from './sealed-payload.ts';

export interface DeliveryOptions {
  encryption: PayloadEncryption;
  handlers: EffectHandlers;
  /** Milliseconds that a handler gets. */
  deadline: number;
}

const LONGEST_REASON = 300;

/** One try: opens what is sealed, hands it over, and does not wait for ever. Never throws. `stop` ends it early. */
export function createDelivery({ encryption, handlers, deadline }: DeliveryOptions) {
  return async function tryToDeliver(claim: Claim, stop: AbortSignal): Promise<DeliveryOutcome> {
    const { id, kind, target, createdAt } = claim;
    const interruption = new AbortController();
    const interrupt = () => interruption.abort();
    const timer = setTimeout(interrupt, deadline);
    stop.addEventListener('abort', interrupt, { once: true });
    const { signal } = interruption;
    try {
      const payload = JSON.parse(encryption.open(claim, payloadIdentity(claim)).toString());
      const outcome = await orAborted(handlers[kind]!.deliver({ id, target, payload, createdAt }, signal), signal);
      return outcome.kind === 'delivered' ? outcome : { ...outcome, reason: presentable(outcome.reason) };
    } catch (error) {
      if (stop.aborted) return { kind: 'delayed', seconds: 0, reason: 'the service was stopped' };
      if (signal.aborted) return { kind: 'failed', reason: `no end after ${deadline / 1000} s` };
      return { kind: 'failed', reason: presentable((error as Error | undefined)?.message ?? String(error)) };
    } finally {
      clearTimeout(timer);
      stop.removeEventListener('abort', interrupt);
    }
  };
}

/** A handler that does not look at its signal must not keep a place for ever. */
function orAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject);
  });
}

/** Other people's words go into a log that is read on terminals, and may quote what we sent: a link is worth an account. */
export function presentable(reason: string): string {
  return reason
    .replace(/\bhttps?:[^\s]*/gi, '[link]')
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, LONGEST_REASON);
}
