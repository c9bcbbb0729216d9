import { metricsListener } from '../http/metrics-server.ts';
import { createHttpServer } from '../http/server.ts';
import { createMetricsOfWorkers } from '../metrics.ts';
import { explainFailure } from '../run-service.ts';
import type { SecretText } from '../secret-text.ts';
import { createSupervisor } from './supervisor.ts';

export interface RunWorkersOptions {
  count: number;
  /** The file that each worker runs. */
  script: string;
  /** Milliseconds that a worker may take to end. */
  stopPatience: number;
  metrics?: { host: string; port: number; token?: SecretText };
}

/**
 * The life of the process above the workers: starts them, tells what they tell, replaces those that end, answers for all of them
 * where figures are read, and waits for them when it is stopped. SIGHUP replaces them one by one.
 */
export async function runWorkers({ count, script, stopPatience, metrics }: RunWorkersOptions): Promise<void> {
  const warn = (text: string) => void process.stderr.write(`${text}\n`);
  const supervisor = createSupervisor({ count, script, stopPatience, warn });
  let isStopping = false;
  // Before the first worker starts: nobody else would end it.
  const stop = () => {
    if (isStopping) {
      supervisor.killAll();
      process.exit(1);
    }
    isStopping = true;
    void supervisor.stop().then((code) => process.exit(code));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('SIGHUP', () => void supervisor.replaceAll());
  try {
    const text = await supervisor.start();
    if (metrics) await tellFigures(metrics, supervisor.figures);
    process.stdout.write(`${text}\n`);
    await supervisor.hopeless;
  } catch (error) {
    if (isStopping) return;
    warn(explainFailure(error));
    isStopping = true;
    await supervisor.stop();
    process.exit(1);
  }
}

async function tellFigures(
  { host, port, token }: NonNullable<RunWorkersOptions['metrics']>,
  figures: () => { ready: number; restarts: number },
): Promise<void> {
  const metrics = await createMetricsOfWorkers(figures);
  await createHttpServer(metricsListener({ metrics, ...(token && { token }) })).listen({ host, port });
}
