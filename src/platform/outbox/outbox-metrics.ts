import type { Metrics } from '../metrics.ts';
import type { Claims, OutboxFigures } from './claims.ts';

const REFRESH = 10_000;

/** Counts deliveries of this node, and tells how much waits on all of them. */
export function reportOutbox(metrics: Metrics, claims: Pick<Claims, 'figures'>) {
  let figures: OutboxFigures[] = [];
  let readAt = 0;
  const count = metrics.counter(
    'daemun_outbox_deliveries_total',
    'What came of tries to deliver an effect: delivered, failed, delayed, refused, given_up, expired or unrecorded.',
    ['kind', 'outcome'],
  );
  metrics.gauge(
    'daemun_outbox_effects',
    'Effects that wait for delivery, and dead ones, which are tried no more. The same on every node.',
    ['kind', 'state'],
    (set) => {
      for (const { kind, waiting, dead } of figures) {
        set(waiting, { kind, state: 'waiting' });
        set(dead, { kind, state: 'dead' });
      }
    },
  );
  metrics.gauge(
    'daemun_outbox_oldest_waiting_seconds',
    'How long the oldest effect that is not delivered yet has been waiting. The same on every node.',
    ['kind'],
    (set) => {
      for (const { kind, oldest } of figures) set(oldest, { kind });
    },
  );
  return {
    count: (kind: string, outcome: string) => count({ kind, outcome }),
    /** Only where somebody reads them, and not at every look. */
    async refresh(): Promise<void> {
      if (!metrics.isRead || Date.now() - readAt < REFRESH) return;
      figures = await claims.figures();
      readAt = Date.now();
    },
  };
}
