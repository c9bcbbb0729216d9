import type { Metrics } from '../metrics.ts';
import type { WorkerFigures } from './messages.ts';
import type { Supervisor } from './supervisor.ts';

/**
 * What all workers count, as if they were one process, and how they are. What counts up goes on from where a worker left it when it
 * ended: a sum that fell would be read as a process that began anew and counted everything again.
 */
export async function createMetricsOfWorkers({
  figures,
  figuresOfWorkers,
}: Pick<Supervisor, 'figures' | 'figuresOfWorkers'>): Promise<Pick<Metrics, 'exposition'>> {
  const { AggregatorRegistry, Counter, Gauge, Registry } = await import('prom-client');
  const own = new Registry();
  let past: WorkerFigures = [];
  let turn: Promise<unknown> = Promise.resolve();
  new Gauge({
    name: 'daemun_workers_ready',
    help: 'Workers that answer requests.',
    registers: [own],
    collect() {
      this.set(figures().ready);
    },
  });
  new Counter({
    name: 'daemun_worker_restarts_total',
    help: 'Workers that ended by themselves and were replaced.',
    registers: [own],
    collect() {
      this.reset();
      this.inc(figures().restarts);
    },
  });

  async function ofWorkers(): Promise<string> {
    const { present, ended } = await figuresOfWorkers();
    past = await AggregatorRegistry.aggregate([past, ...ended.map(whatCountsUp)]).getMetricsAsJSON();
    return AggregatorRegistry.aggregate([...present, past]).metrics();
  }

  return {
    exposition: async () => {
      // One after the other, since those that ended are told of once.
      const text = turn.then(ofWorkers);
      turn = text.catch(() => {});
      return { contentType: own.contentType, text: `${(await text).trimEnd()}\n${await own.metrics()}` };
    },
  };
}

function whatCountsUp(figures: WorkerFigures): WorkerFigures {
  // prom-client writes the names of the types, whatever its own declaration says.
  return figures.filter(({ type }) => ['counter', 'histogram'].includes(String(type)));
}
