import type { Logger } from '../platform/logger.ts';
import type { KeyFigures } from './key-figures.ts';
import type { KeyWarning } from './key-warnings.ts';
import { type KeyPolicy, pollInterval } from './timing.ts';

export interface KeyRoundsOptions {
  policy: KeyPolicy;
  logger: Pick<Logger, 'info' | 'warn'>;
  refresh(): Promise<void>;
  /** Says which version this node has. */
  report(): Promise<void>;
  checkSpares(): Promise<void>;
  isDue(): boolean;
  advance(): Promise<unknown>;
  alsoAdvance?(): Promise<unknown>;
  figures(): KeyFigures;
}

/** Milliseconds. A start is not to wait for keys that nobody needs yet. */
const FIRST_ROUND = 1500;
const OTHERS_INTERVAL = 60_000;
const SOONEST = 20;
const LONGEST_BACK_OFF = 60_000;

/** What is done about the keys again and again, on every node: looking, doing what is due, saying so. */
export function createKeyRounds(options: KeyRoundsOptions): { stop(): Promise<void> } {
  const { policy, logger, refresh, figures } = options;
  const interval = 1000 * pollInterval(policy);
  const failing = new Set<string>();
  let warned = new Set<string>();
  let reported = { at: Number.NEGATIVE_INFINITY, version: -1 };
  let othersAt = Number.NEGATIVE_INFINITY;
  let stopped = false;
  let failures = 0;
  let advanceAt = 0;
  let polling: Promise<unknown> = Promise.resolve();
  let working: Promise<unknown> | undefined;
  let timer: NodeJS.Timeout;

  /** Says once that it does not work, and once that it does again. */
  async function attempt(name: string, work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      if (failing.delete(name)) logger.info(`${name} works again`);
      return true;
    } catch (error) {
      if (!failing.has(name)) logger.warn({ error }, `${name} failed and is tried again`);
      failing.add(name);
      return false;
    }
  }

  /** Keys may have been made for it in vain, which is costly. */
  async function advance(): Promise<void> {
    const isDone = await attempt('changing signing keys', options.advance);
    failures = isDone ? 0 : failures + 1;
    advanceAt = isDone ? 0 : performance.now() + Math.min(LONGEST_BACK_OFF, 500 * 2 ** failures);
  }

  async function round(): Promise<void> {
    await attempt('following the key set', refresh);
    // Making a key may take longer than a view is worth: nothing waits for it.
    working ??= work().finally(() => {
      working = undefined;
    });
    warn();
    if (!stopped) plan();
  }

  async function work(): Promise<void> {
    const now = performance.now();
    // First: those that cannot be used are replaced at once.
    await attempt('trying the next signing keys', options.checkSpares);
    if (!stopped && now >= advanceAt && options.isDue()) await advance();
    if (options.alsoAdvance && now - othersAt >= OTHERS_INTERVAL) {
      othersAt = now;
      await attempt('changing secrets', options.alsoAdvance);
    }
    const { version } = figures();
    if (version !== reported.version || now - reported.at >= 1000 * policy.propagation) {
      await attempt('reporting the version of the key set', options.report);
      reported = { at: now, version };
    }
  }

  function warn(): void {
    const { warnings } = figures();
    for (const warning of warnings) {
      if (!warned.has(nameOf(warning))) logger.warn({ warning: warning.kind }, warning.text);
    }
    warned = new Set(warnings.map(nameOf));
  }

  /** Sooner when something is due sooner. Nodes that started together drift apart. */
  function plan(): void {
    const until = 1000 * figures().nextTransitionIn;
    const wait = interval * (0.8 + 0.2 * Math.random());
    again(until > 0 && until < wait ? Math.max(SOONEST, until + 1) : wait);
  }

  function again(wait: number): void {
    timer = setTimeout(() => {
      polling = round();
    }, wait).unref();
  }

  again(Math.min(FIRST_ROUND, interval));
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await polling;
      await working;
    },
  };
}

/** Texts of most kinds change from minute to minute; those about rows are one for each row. */
function nameOf({ kind, text }: KeyWarning): string {
  return kind === 'key_unusable' ? text : kind;
}
