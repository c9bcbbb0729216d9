import { setTimeout as pause } from 'node:timers/promises';

const LOCK_NOT_AVAILABLE = '55P03';

export interface LockPatience {
  /** Milliseconds after which nothing is begun again. */
  patience: number;
  /** Milliseconds before it is: those who waited behind go first. */
  pauseFor?(): number;
  /** What has to be undone before. */
  stepBack?(): Promise<unknown>;
}

/**
 * Runs `work` again when a lock was not free within the time that its connection gives it. Give it a whole transaction or a single
 * statement, never a part of one: what it had locked itself was let go, and whoever waited for that could go on.
 */
export async function untilLocked<Result>(
  work: () => Promise<Result>,
  { patience, pauseFor = () => 0, stepBack }: LockPatience,
): Promise<Result> {
  const deadline = performance.now() + patience;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isLockNotAvailable(error) || performance.now() > deadline) throw error;
      await stepBack?.();
      await pause(pauseFor());
    }
  }
}

/** Looks into the cause too: a failure that is told to an operator wraps what the driver said. */
function isLockNotAvailable(error: unknown): boolean {
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } };
  return code === LOCK_NOT_AVAILABLE || cause?.code === LOCK_NOT_AVAILABLE;
}
