import { AsyncLocalStorage } from 'node:async_hooks';

/** Milliseconds. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 2_000;
/** For so long nobody is missed who was not asked. */
const QUIET = 75;
/** Nobody waits for a heartbeat: it may take so many deadlines. */
const HEARTBEAT = 2;
/** This process must have been there for so long, in one piece, before it calls somebody else late. */
const LOOK = 10;
/** After so many looks, each of which let answers in, it is late all the same. */
const MOST_LOOKS = 4;

export interface BreakerOptions {
  /** Milliseconds that one operation may take. */
  deadline: number;
  /**
   * Asks again about what failed; without a key, whether everybody is there. Anything but a timely answer opens the breaker, or leaves
   * it open.
   */
  probe(key: string | undefined): Promise<unknown>;
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
 * Open to begin with, and again with the first operation that is late or fails: a request waits for one deadline at most. Where there
 * are no operations for a moment, a heartbeat finds out before the next request does; where there are, they are the heartbeat. Whether
 * it may be closed is found out beside the requests, at first soon and then ever more seldom, by each node at another moment.
 */
export function createBreaker({ deadline, probe, onFailure, onClosed }: BreakerOptions): Breaker {
  let isOpen = true;
  let isStopped = false;
  let suspect: string | undefined;
  let pause = FIRST_PAUSE;
  let heardAt = 0;
  /** Of the next probe while it is open, of the next heartbeat while it is closed. */
  let timer: NodeJS.Timeout | undefined;
  /** What goes on by itself is no part of the request that happened to set it off. */
  const byItself = AsyncLocalStorage.snapshot();

  function open(key?: string): void {
    if (key !== undefined || !isOpen) suspect = key;
    if (isOpen) return;
    isOpen = true;
    pause = FIRST_PAUSE;
    probeLater();
  }

  function doLater(milliseconds: number, act: () => void): void {
    clearTimeout(timer);
    if (!isStopped) timer = setTimeout(byItself, milliseconds, act).unref();
  }

  function probeLater(): void {
    doLater(pause * (0.5 + Math.random()), probeNow);
    pause = Math.min(2 * pause, LONGEST_PAUSE);
  }

  async function probeNow(): Promise<void> {
    const answered = await within(deadline, () => probe(suspect));
    if (isStopped) return;
    if (isTrouble(answered)) return probeLater();
    isOpen = false;
    heardAt = performance.now();
    beatLater();
    onClosed?.();
  }

  function beatLater(): void {
    // Nodes do not fall into step with each other.
    doLater(heardAt + QUIET * (0.8 + 0.2 * Math.random()) - performance.now(), beat);
  }

  async function beat(): Promise<void> {
    if (performance.now() - heardAt < 0.8 * QUIET) return beatLater();
    const own = timer;
    const answered = await within(HEARTBEAT * deadline, () => probe(undefined));
    // It was opened meanwhile, and perhaps closed again.
    if (isStopped || timer !== own) return;
    if (isTrouble(answered)) {
      onFailure?.(answered.kind);
      return open();
    }
    heardAt = performance.now();
    beatLater();
  }

  probeLater();
  return {
    get isOpen() {
      return isOpen;
    },
    async run(key, operation) {
      if (isOpen) return undefined;
      const answered = await within(deadline, operation);
      if (isTrouble(answered)) {
        onFailure?.(answered.kind);
        open(key);
        return undefined;
      }
      heardAt = performance.now();
      return answered.kind === 'answered' ? answered.value : undefined;
    },
    trip: () => open(),
    stop() {
      isStopped = true;
      isOpen = true;
      clearTimeout(timer);
    },
  };
}

type Answer<Result> = { kind: 'answered'; value: Result } | { kind: 'refused' } | Trouble;
type Trouble = { kind: 'late' } | { kind: 'failed' };

function isTrouble(answer: Answer<unknown>): answer is Trouble {
  return answer.kind === 'late' || answer.kind === 'failed';
}

/** An answer that says no (`OOM …`, `WRONGTYPE …`, `CLUSTERDOWN …`) came in time: whoever gave it is there. */
const REFUSAL = /^[A-Z]{2,}(?: |$)/;

/**
 * This process may be what was late: it was stopped, or worked on something else, with the question not even sent. So the last part of
 * the deadline has to pass on time before anybody is called late, and an answer that is there already is read before that.
 */
function within<Result>(deadline: number, operation: () => Promise<Result>): Promise<Answer<Result>> {
  return new Promise((resolve) => {
    let timer = setTimeout(look, deadline - LOOK, MOST_LOOKS);
    const end = (answer: Answer<Result>) => {
      clearTimeout(timer);
      resolve(answer);
    };
    function look(looksLeft: number): void {
      const began = performance.now();
      timer = setTimeout(() => {
        const wasAway = performance.now() - began > 2 * LOOK;
        if (wasAway && looksLeft > 1) return look(looksLeft - 1);
        setImmediate(end, { kind: 'late' });
      }, LOOK);
    }
    operation().then(
      (value) => end({ kind: 'answered', value }),
      (error) => end({ kind: REFUSAL.test(String((error as Error | undefined)?.message)) ? 'refused' : 'failed' }),
    );
  });
}
