import cluster from 'node:cluster';
import type { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { tellFigures } from './workers/worker.ts';

type Labels = Record<string, string>;

/** Figures for Prometheus. Names begin with `daemun_`, units are base units and part of the name; labels never tell who somebody is. */
export interface Metrics {
  /** False where nobody asks, so that nothing needs to be measured. */
  readonly isRead: boolean;
  /** A figure that is looked up when somebody asks for it. */
  gauge(
    name: string,
    help: string,
    labels: readonly string[],
    read: (set: (value: number, labels?: Labels) => void) => void,
    /** What several workers say together. */
    together?: 'max' | 'min' | 'sum',
  ): void;
  /** What counts up from zero with the process. */
  counter(name: string, help: string, labels: readonly string[]): (labels?: Labels, by?: number) => void;
  /** How often something was up to how much. */
  histogram(
    name: string,
    help: string,
    labels: readonly string[],
    buckets: readonly number[],
  ): (value: number, labels?: Labels) => void;
  /** @see https://prometheus.io/docs/instrumenting/exposition_formats/ */
  exposition(): Promise<{ contentType: string; text: string }>;
}

/** Together with what the process says of itself: memory, event loop, garbage collection. The library is loaded here, and only where metrics are asked for. */
export async function createMetrics(): Promise<Metrics> {
  const { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } = await import('prom-client');
  const registry: Registry = new Registry();
  if (cluster.isWorker) tellFigures(() => registry.getMetricsAsJSON());
  collectDefaultMetrics({ register: registry });
  return {
    isRead: true,
    gauge(name, help, labels, read, together = 'max') {
      const gauge: Gauge = new Gauge({
        name,
        help,
        labelNames: [...labels],
        aggregator: together,
        registers: [registry],
        collect() {
          // What is gone must not go on being reported.
          this.reset();
          read((value, of = {}) => gauge.set(of, value));
        },
      });
    },
    counter(name, help, labels) {
      const counter: Counter = new Counter({ name, help, labelNames: [...labels], registers: [registry] });
      if (labels.length === 0) counter.inc(0);
      return (of = {}, by = 1) => counter.inc(of, by);
    },
    histogram(name, help, labels, buckets) {
      const options = { name, help, labelNames: [...labels], buckets: [...buckets], registers: [registry] };
      const histogram: Histogram = new Histogram(options);
      return (value, of = {}) => histogram.observe(of, value);
    },
    exposition: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}

/** Where nobody asks. */
export const noMetrics: Metrics = {
  isRead: false,
  gauge() {},
  counter: () => () => {},
  histogram: () => () => {},
  exposition: () => Promise.reject(new Error('there are no metrics')),
};
