import { setTimeout as pause } from 'node:timers/promises';
import type { Database } from '../database/database.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import { backOff } from './back-off.ts';
import { type Claim, createClaims } from './claims.ts';
import { createDelivery } from './delivery.ts';
import type { DeliveryOutcome, EffectHandlers } from './effect.ts';
import type { Outbox } from './outbox.ts';
import { reportOutbox } from './outbox-metrics.ts';
import type { PayloadEncryption } from './sealed-payload.ts';

export interface DeliveriesOptions {
  database: Pick<Database, 'pool'>;
  encryption: PayloadEncryption;
  outbox: Pick<Outbox, 'onAdd'>;
  /** Other kinds are left to nodes that have handlers for them. */
  handlers: EffectHandlers;
  logger: Pick<Logger, 'info' | 'warn' | 'error'>;
  metrics: Metrics;
  /** Deliveries at once on this node. */
  concurrency?: number;
  /** Milliseconds between looks when there is nothing to do. */
  interval?: number;
  /** Milliseconds that one delivery gets; less than `lease`. */
  deadline?: number;
  /** Seconds after which others may take what somebody took and never reported on. */
  lease?: number;
}

export interface Deliveries {
  /** Takes nothing more, gives what is under way a moment, and then interrupts it. */
  close(): Promise<void>;
}

/** What was added here is looked for at these times, in milliseconds: it is not committed yet when we hear of it. */
const EAGER = [50, 250, 1_000];
const STOP_PATIENCE = 5_000;
/** The report on a delivery is worth more than one try: without it, it is delivered again. */
const REPORT_PAUSES = [100, 500, 2_000];

/** Delivers what is due, on as many nodes as there are, each effect on one at a time. */
export function startDeliveries(options: DeliveriesOptions): Deliveries {
  const {
    database,
    handlers,
    logger,
    metrics,
    concurrency = 5,
    interval = 2_000,
    deadline = 40_000,
    lease = 60,
  } = options;
  const claims = createClaims(database.pool);
  const tryToDeliver = createDelivery({ encryption: options.encryption, handlers, deadline });
  const figures = reportOutbox(metrics, claims);
  const kinds = Object.keys(handlers);
  const running = new Set<Promise<void>>();
  const interruption = new AbortController();
  let stopped = false;
  let failing = false;
  let timer: NodeJS.Timeout | undefined;
  let plannedFor = Number.POSITIVE_INFINITY;
  let looking: Promise<void> | undefined;
  let eager: number[] = [];

  function plan(milliseconds: number): void {
    clearTimeout(timer);
    plannedFor = performance.now() + milliseconds;
    if (!stopped) timer = setTimeout(look, milliseconds).unref();
  }

  function look(): void {
    if (looking || stopped) return;
    clearTimeout(timer);
    plannedFor = Number.POSITIVE_INFINITY;
    looking = takeWhatIsDue().then((found) => {
      looking = undefined;
      // With every place taken, the first that is free looks again.
      if (running.size < concurrency) plan(found ? 0 : (eager.shift() ?? interval * (0.8 + Math.random() * 0.4)));
    });
  }

  /** Whether there may be more. */
  async function takeWhatIsDue(): Promise<boolean> {
    try {
      const free = concurrency - running.size;
      const taken = kinds.length > 0 ? await claims.take(kinds, free, lease) : [];
      for (const claim of taken) start(claim);
      await figures.refresh();
      failing = false;
      return taken.length === free;
    } catch (error) {
      // A database that is away is everybody's trouble: once is enough here.
      if (!failing) logger.warn({ error }, 'the outbox cannot be read and is looked at again later');
      failing = true;
      return false;
    }
  }

  function start(claim: Claim): void {
    const work = deliver(claim).finally(() => {
      running.delete(work);
      look();
    });
    running.add(work);
  }

  async function deliver(claim: Claim): Promise<void> {
    const outcome = decided(claim) ?? (await tryToDeliver(claim, interruption.signal));
    const label = await persistently(() => report(claim, outcome)).catch((error) => {
      logger.error({ error, ...about(claim) }, 'what came of a delivery could not be written down; it is tried again');
      return 'unrecorded';
    });
    figures.count(claim.kind, label);
  }

  async function report(claim: Claim, outcome: DeliveryOutcome | { kind: 'expired' }): Promise<string> {
    const facts = about(claim);
    if (outcome.kind === 'delivered') {
      await claims.delivered(claim);
      logger.info(facts, 'delivered');
      return 'delivered';
    }
    if (outcome.kind === 'expired') {
      await claims.expired(claim, 'it was of no use any more');
      logger.warn(facts, 'not delivered: it was of no use any more');
      return 'expired';
    }
    const { reason } = outcome;
    if (outcome.kind === 'delayed') {
      await claims.later(claim, reason, outcome.seconds);
      logger.info({ ...facts, reason, seconds: outcome.seconds }, 'a delivery was put off');
      return 'delayed';
    }
    if (outcome.kind === 'refused' || claim.tries >= claim.triesAllowed) {
      await claims.dead(claim, reason);
      logger.error({ ...facts, reason }, 'not delivered and given up; see `daemun outbox list --failed`');
      return outcome.kind === 'refused' ? 'refused' : 'given_up';
    }
    const seconds = backOff(claim.tries);
    await claims.again(claim, reason, seconds);
    logger.warn({ ...facts, reason, seconds: Math.round(seconds) }, 'not delivered; it is tried again');
    return 'failed';
  }

  options.outbox.onAdd(() => {
    eager = [...EAGER];
    // Where many are added, each of them would put off a look that is planned.
    if (!looking && plannedFor > performance.now() + EAGER[0]!) plan(eager.shift()!);
  });
  look();

  return {
    async close() {
      stopped = true;
      clearTimeout(timer);
      await looking;
      const patience = setTimeout(() => interruption.abort(), STOP_PATIENCE);
      await Promise.all(running);
      clearTimeout(patience);
    },
  };
}

/** What needs no try. Of what ended whoever tried it nobody wrote down what came of it, so that it would be tried for ever. */
function decided({ isExpired, tries, triesAllowed }: Claim): DeliveryOutcome | { kind: 'expired' } | undefined {
  if (isExpired) return { kind: 'expired' };
  if (tries <= triesAllowed) return undefined;
  return { kind: 'failed', reason: 'none of those who tried it said what came of it' };
}

/** Without the address: logs go further than the delivery log. */
function about({ id, kind, tries }: Claim) {
  return { effect: id, kind, tries };
}

async function persistently<Result>(work: () => Promise<Result>): Promise<Result> {
  for (const milliseconds of REPORT_PAUSES) {
    try {
      return await work();
    } catch {
      await pause(milliseconds);
    }
  }
  return work();
}
