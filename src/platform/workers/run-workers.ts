import { METRICS_PORT, metricsListener } from '../http/metrics-server.ts';
import { createHttpServer } from '../http/server.ts';
import type { SecretText } from '../secret-text.ts';
import { createVoice } from '../voice.ts';
import { createMetricsOfWorkers } from './metrics-of-workers.ts';
import { createSupervisor, type Supervisor } from './supervisor.ts';

export interface RunWorkersOptions {
  count: number;
  /** The file that each worker runs. */
  script: string;
  /** What becomes of workers is said as the log says things, in JSON lines, and not as text for people. */
  production?: boolean;
  /** Milliseconds that a worker may take to end. */
  stopPatience: number;
  /** Milliseconds for a worker to get ready, the first one excepted. Longer, and it is killed. */
  startPatience?: number;
  /** Milliseconds for a worker to say that it is there; one that does not for six times that is killed. */
  answered?: number;
  metrics?: { host: string; port: number; token?: SecretText };
}

/**
 * The life of the process above the workers: starts them, tells what they tell, replaces those that end, answers for all of them
 * where figures are read, and waits for them when it is stopped. SIGHUP replaces them one by one.
 */
export async function runWorkers({ metrics, production = false, ...options }: RunWorkersOptions): Promise<void> {
  const print = (text: string) => void process.stderr.write(`${text}\n`);
  const voice = createVoice(production);
  const supervisor = createSupervisor({ ...options, warn: (text) => print(voice.warn(text)) });
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
    if (metrics) await serveFigures(metrics, supervisor);
    process.stdout.write(`${text}\n`);
    await supervisor.hopeless;
  } catch (error) {
    if (isStopping) return;
    print(voice.fail(error));
    isStopping = true;
    await supervisor.stop();
    process.exit(1);
  }
}

async function serveFigures(
  { host, port, token }: NonNullable<RunWorkersOptions['metrics']>,
  supervisor: Supervisor,
): Promise<void> {
  const metrics = await createMetricsOfWorkers(supervisor);
  const server = createHttpServer(metricsListener({ metrics, ...(token && { token }) }));
  await server.listen({ host, port, portVariable: METRICS_PORT });
}
