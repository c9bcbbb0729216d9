import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { type BoundedLog, createBoundedLog } from '../bounded-log.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import { type BusyWords, createBusyAnswers } from './busy-answer.ts';

export interface OverloadOptions {
  /** Requests in progress at once. */
  requests: number;
  /** Milliseconds that the event loop may come late, time and again. */
  delay: number;
  /** What is answered whatever happens: it costs next to nothing, and others decide by it. By path. */
  isSpared(path: string): boolean;
  /** Whose callers read JSON. By path. */
  isForPrograms(path: string): boolean;
  /** Whose callers may be people. Others are shown no page, whatever they say they accept. By path. */
  hasPages(path: string): boolean;
  /** Whether the database is known not to answer, so that waiting for it would be in vain. */
  isDatabaseAway?(): boolean;
  /** A request has been in progress for longer than is usual. */
  onSlow?(): void;
  /** Every request that was taken, once it ended. */
  onEnd?(req: IncomingMessage, res: ServerResponse): void;
  /** What browsers are told. */
  words: BusyWords;
  metrics: Metrics;
  logger: Pick<Logger, 'warn'>;
  /** Milliseconds for a whole request. */
  deadline?: number;
}

export const SHED_REASONS = ['requests', 'event_loop', 'database', 'deadline'] as const;
type ShedReason = (typeof SHED_REASONS)[number];

const DEADLINE = 10_000;
/** From then on a request is worth a look at the database. */
const SLOW = 1_000;
const SWEEP = 500;
const SAMPLE = 50;
/** Bodies on their way, for each request that there is room for: they wait at no cost but their memory, 64 KiB at most. */
const ARRIVING = 8;
/** Those that bring one. */
const BRINGS_BODY = new Set(['POST', 'PATCH']);
/** So few are taken however late the event loop comes: then it is not they who make it late. */
const ALWAYS_TAKEN = 16;

/**
 * Refuses by 503 what there is no room for, before any work on it begins, so that what was taken is answered in time: overload costs
 * some requests and not all. Two signals: requests in progress, which a burst fills within one turn of the event loop; and how late
 * the event loop comes, twice in a row, which tells of work that lasts. The second is measured only while there is something to do.
 */
export function shedOverload(options: OverloadOptions, listener: RequestListener): RequestListener {
  const { isSpared, isForPrograms, hasPages, isDatabaseAway = () => false, onSlow, onEnd, metrics, logger } = options;
  const { deadline = DEADLINE } = options;
  const answers = createBusyAnswers(options.words);
  const whoseIs = (path: string) => ({ isProgram: isForPrograms(path), hasPages: hasPages(path) });
  const mayLog: BoundedLog = createBoundedLog({ lines: 1, period: 10_000 });
  const inProgress = new Map<ServerResponse, { req: IncomingMessage; since: number; isArriving: boolean }>();
  /** Whose body is still on its way: who sends slowly takes nobody's place. */
  let arriving = 0;
  const lateness = measureLateness(() => inProgress.size - arriving > ALWAYS_TAKEN);
  let sweeping: NodeJS.Timeout | undefined;
  let swept = 0;

  const count = metrics.counter('daemun_requests_shed_total', 'Requests refused by 503 for want of room.', ['reason']);
  for (const reason of SHED_REASONS) count({ reason }, 0);
  metrics.gauge(
    'daemun_requests_in_progress',
    'Requests that were taken and are not answered yet.',
    [],
    (set) => set(inProgress.size),
    'sum',
  );

  function reasonToShed(req: IncomingMessage): ShedReason | undefined {
    const working = inProgress.size - arriving;
    if (working >= options.requests) return 'requests';
    if (bringsBody(req) && arriving >= ARRIVING * options.requests) return 'requests';
    if (working > ALWAYS_TAKEN && lateness.current() > options.delay) return 'event_loop';
    return undefined;
  }

  function shed(req: IncomingMessage, res: ServerResponse, path: string, reason: ShedReason): void {
    count({ reason });
    const leftOut = mayLog(reason);
    if (leftOut !== undefined) logger.warn({ reason, inProgress: inProgress.size, leftOut }, 'requests are shed');
    answers.busy(req, res, whoseIs(path));
  }

  /** Those who came first are first in the map. */
  function sweep(): void {
    const now = performance.now();
    // Then what has arrived may wait to be read: whoever sent it was not slow, we were.
    const wasAway = now - swept > 3 * SWEEP;
    swept = now;
    const [oldest] = inProgress.values();
    if (oldest && now - oldest.since > SLOW) onSlow?.();
    for (const [res, { req, since, isArriving }] of inProgress) {
      if (now - since < deadline) break;
      if (isArriving) {
        if (!res.headersSent && !wasAway) answers.tooSlow(req, res, whoseIs(pathOf(req)));
        continue;
      }
      inProgress.delete(res);
      if (res.headersSent) continue;
      shed(req, res, pathOf(req), 'deadline');
    }
    if (inProgress.size === 0) {
      clearInterval(sweeping);
      sweeping = undefined;
    }
  }

  function take(req: IncomingMessage, res: ServerResponse): void {
    const entry = { req, since: performance.now(), isArriving: bringsBody(req) };
    inProgress.set(res, entry);
    if (!sweeping) {
      swept = entry.since;
      sweeping = setInterval(sweep, SWEEP).unref();
    }
    if (entry.isArriving) arriving += 1;
    const settle = () => {
      if (entry.isArriving) arriving -= 1;
      entry.isArriving = false;
    };
    if (entry.isArriving) req.once('end', settle);
    res.once('close', () => {
      settle();
      inProgress.delete(res);
      onEnd?.(req, res);
    });
    lateness.watch();
  }

  return (req, res) => {
    const path = pathOf(req);
    if (isSpared(path)) return listener(req, res);
    const reason = reasonToShed(req) ?? (isForPrograms(path) && isDatabaseAway() ? 'database' : undefined);
    if (reason) return shed(req, res, path, reason);
    take(req, res);
    listener(req, res);
  };
}

function bringsBody({ method = '' }: IncomingMessage): boolean {
  return BRINGS_BODY.has(method);
}

function pathOf({ url = '/' }: IncomingMessage): string {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}

/** How late a timer of a few milliseconds comes, of the last two times the better one. */
function measureLateness(isWanted: () => boolean): { current(): number; watch(): void } {
  let timer: NodeJS.Timeout | undefined;
  let last = 0;
  let before = 0;

  function plan(): void {
    const due = performance.now() + SAMPLE;
    timer = setTimeout(() => {
      before = last;
      last = performance.now() - due;
      if (isWanted()) return plan();
      timer = undefined;
      last = 0;
      before = 0;
    }, SAMPLE).unref();
  }

  return {
    current: () => Math.min(last, before),
    watch() {
      if (!timer && isWanted()) plan();
    },
  };
}
