/** Milliseconds. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 2_000;

export interface BreakerOptions {
  /** Milliseconds that one operation may take. */
  deadline: number;
  /** Asks again about what failed. Anything but a timely answer leaves the breaker open. */
  probe(key: string): Promise<unknown>;
  onFailure?(reason: 'late' | 'failed'): void;
  /** It was open: what others said meanwhile was not heard. */
  onClosed?(): void;
}

export interface Breaker {
  readonly isOpen: boolean;
  /** Undefined at once while it is open, and after the deadline. Never rejects. `key` is what a probe asks about later. */
  run<Result>(key: string, operation: () => Promise<Result>): Promise<Result | undefined>;
  /** The connection is gone. */
  trip(): void;
  stop(): void;
}

/**
 * Open to begin with, and again with the first operation that is late or fails: a request waits for one deadline at most. Whether
 * it may be closed is found out beside the requests, at first soon and then ever more seldom, by each node at another moment.
 */
export function createBreaker({ deadline, probe, onFailure, onClosed }: BreakerOptions): Breaker {
  let isOpen = true;
  let isStopped = false;
  let suspect = '';
  let pause = FIRST_PAUSE;
  let timer: NodeJS.Timeout | undefined;

  function open(): void {
    if (isOpen) return;
    isOpen = true;
    pause = FIRST_PAUSE;
    probeLater();
  }

  function probeLater(): void {
    if (isStopped) return;
    timer = setTimeout(probeNow, pause * (0.5 + Math.random())).unref();
    pause = Math.min(2 * pause, LONGEST_PAUSE);
  }

  async function probeNow(): Promise<void> {
    const answered = await within(deadline, () => probe(suspect));
    if (isStopped) return;
    if (answered.kind === 'late' || answered.kind === 'failed') return probeLater();
    isOpen = false;
    onClosed?.();
  }

  probeLater();
  return {
    get isOpen() {
      return isOpen;
    },
    async run(key, operation) {
      if (isOpen) return undefined;
      const answered = await within(deadline, operation);
      if (answered.kind === 'answered') return answered.value;
      if (answered.kind === 'refused') return undefined;
      onFailure?.(answered.kind);
      suspect = key;
      open();
      return undefined;
    },
    trip: open,
    stop() {
      isStopped = true;
      isOpen = true;
      clearTimeout(timer);
    },
  };
}

type Answer<Result> = { kind: 'answered'; value: Result } | { kind: 'refused' } | { kind: 'late' } | { kind: 'failed' };

/** An answer that says no (`OOM …`, `WRONGTYPE …`, `CLUSTERDOWN …`) came in time: whoever gave it is there. */
const REFUSAL = /^[A-Z]{2,}(?: |$)/;

function within<Result>(deadline: number, operation: () => Promise<Result>): Promise<Answer<Result>> {
  return new Promise((resolve) => {
    // This process may be what was late: an answer that is there already is read before the second step.
    const timer = setTimeout(() => setImmediate(resolve, { kind: 'late' }), deadline);
    const end = (answer: Answer<Result>) => {
      clearTimeout(timer);
      resolve(answer);
    };
    operation().then(
      (value) => end({ kind: 'answered', value }),
      (error) => end({ kind: REFUSAL.test(String((error as Error | undefined)?.message)) ? 'refused' : 'failed' }),
    );
  });
}
