import { failureOf, outage } from './failure.ts';

const DEADLINE = 5_000;
const FAILURES = 5;
const PAUSE = 30_000;

export interface BreakerOptions {
  /** Aborts when the time of one sign-in is over: after 5 seconds unless told. */
  deadline?: () => AbortSignal;
  /** So many outages one after the other, and the upstream is left alone. */
  failures?: number;
  /** Milliseconds until one person's sign-in tries it again, a quarter more or less. */
  pause?: number;
}

export interface Breaker {
  /**
   * Everything that one sign-in asks of the upstream, together within the deadline.
   * @throws UpstreamFailure, at once while the upstream is left alone
   */
  run<Result>(task: (signal: AbortSignal) => Promise<Result>): Promise<Result>;
}

/**
 * One for each upstream, so that one that hangs costs a few people five seconds each, then nobody, and the others' people nothing.
 * Only outages count: whoever brings wrong codes cannot close the door for everybody. S-108
 */
export async function createBreaker({
  deadline = () => AbortSignal.timeout(DEADLINE),
  failures = FAILURES,
  pause = PAUSE,
}: BreakerOptions = {}): Promise<Breaker> {
  // Late, like everything that only an upstream needs.
  const { CircuitState, ConsecutiveBreaker, circuitBreaker, DelegateBackoff, handleWhen } = await import('cockatiel');
  // All nodes saw the same outage, and must not all try again at the same moment.
  const halfOpenAfter = new DelegateBackoff(() => pause * (0.75 + Math.random() / 2));
  const policy = circuitBreaker(
    handleWhen((error) => failureOf(error).isOutage),
    { breaker: new ConsecutiveBreaker(failures), halfOpenAfter },
  );
  return {
    async run(task) {
      // By itself it lets everybody wait for the one who tries, and that may take as long as the deadline.
      if (policy.state === CircuitState.HalfOpen) throw leftAlone();
      try {
        return await policy.execute(() => within(deadline(), task));
      } catch (error) {
        throw (error as { isBrokenCircuitError?: boolean }).isBrokenCircuitError ? leftAlone() : failureOf(error);
      }
    },
  };
}

/** The wait ends with the deadline even where the task does not listen to it. */
function within<Result>(signal: AbortSignal, task: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const end = () => reject(outage('timeout', 'no answer within the deadline'));
    if (signal.aborted) return end();
    signal.addEventListener('abort', end, { once: true });
    task(signal)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', end));
  });
}

function leftAlone() {
  return outage('unavailable', 'left alone after repeated failures');
}
