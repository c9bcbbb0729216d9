import type { MetricObjectWithValues, MetricValue } from 'prom-client';

/** What a worker counts and measures, as prom-client writes it down. */
export type WorkerFigures = MetricObjectWithValues<MetricValue<string>>[];

/** What a worker and the process above it say to each other. */
export type WorkerMessage =
  | { daemun: 'ready'; text: string }
  | { daemun: 'stop'; isReplaced: boolean }
  /** Asks whether it is there, and what it has counted if it counts. */
  | { daemun: 'ask'; number: number; withFigures: boolean }
  | { daemun: 'answer'; number: number; figures?: WorkerFigures };

export function isMessage<Kind extends WorkerMessage['daemun']>(
  message: unknown,
  kind: Kind,
): message is Extract<WorkerMessage, { daemun: Kind }> {
  return (message as { daemun?: unknown } | null)?.daemun === kind;
}
