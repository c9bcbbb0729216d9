// A process above two workers. Each answers with its id and with what the file in GENERATION said when it began, and does not begin
// when that says `broken`, nor ever end to begin when it says `stuck`.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createHttpServer } from '../../src/platform/http/server.ts';
import { createMetrics } from '../../src/platform/metrics.ts';
import { OperatorError } from '../../src/platform/operator-error.ts';
import { runService } from '../../src/platform/run-service.ts';
import { runWorkers } from '../../src/platform/workers/run-workers.ts';
import { asWorker } from '../../src/platform/workers/worker.ts';

const { GENERATION = '', PORT = '', METRICS_PORT = '', NODE_ENV } = process.env;
const production = NODE_ENV === 'production';
const host = '127.0.0.1';
const worker = asWorker();
if (worker) {
  await runService({
    async create() {
      const generation = readFileSync(GENERATION, 'utf8');
      if (generation === 'broken') throw new OperatorError('It is broken.');
      if (generation === 'stuck') await new Promise(() => setInterval(() => {}, 1_000));
      const count = (await createMetrics()).counter('daemun_asked_total', 'Requests.', []);
      const server = createHttpServer((_request, response) => {
        count();
        response.end(`${process.pid} ${generation}`);
      });
      return {
        listen: async () => ({ url: `http://${host}:${await server.listen({ host, port: Number(PORT) })}` }),
        close: () => server.close(),
      };
    },
    production,
    ...worker.runOptions,
  });
} else {
  await runWorkers({
    count: 2,
    production,
    script: fileURLToPath(import.meta.url),
    stopPatience: 30_000,
    startPatience: Number(process.env.START_PATIENCE ?? 60_000),
    answered: 1_000,
    metrics: { host, port: Number(METRICS_PORT) },
  });
}
