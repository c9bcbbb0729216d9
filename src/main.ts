import { fileURLToPath } from 'node:url';
import type { Config } from './config/config.ts';
import { isProduction, loadConfig } from './config/load.ts';
import { runService } from './platform/run-service.ts';
import { createVoice } from './platform/voice.ts';
import { runWorkers } from './platform/workers/run-workers.ts';
import { asWorker } from './platform/workers/worker.ts';
import { providers } from './upstreams/registry.ts';

/** Seconds beside the time in which load balancers notice; a little more than a worker allows itself. */
const STOP_PATIENCE = 33;

const worker = asWorker();
const config = load();
if (config.workers > 1 && !worker) {
  const { workers: count, listen, metrics, serving, production } = config;
  await runWorkers({
    count,
    production,
    script: fileURLToPath(import.meta.url),
    stopPatience: 1000 * (serving.shutdownDelay + STOP_PATIENCE),
    ...(metrics?.port !== undefined && { metrics: { ...metrics, port: metrics.port, host: listen.host } }),
  });
} else {
  await runService({
    create: async () => {
      // Late, since whoever only watches over others needs nothing of it.
      const { createApp } = await import('./app.ts');
      return createApp(worker ? asOneOfMany(config, worker) : config);
    },
    production: config.production,
    ...worker?.runOptions,
  });
}

function load(): Config {
  const { warn, fail } = createVoice(isProduction());
  try {
    const config = loadConfig(providers);
    // The process above has said them.
    if (!worker) for (const warning of config.warnings) process.stderr.write(`${warn(warning)}\n`);
    return config;
  } catch (error) {
    process.stderr.write(`${fail(error)}\n`);
    process.exit(1);
  }
}

/** The process above answers for figures; the first of the workers makes the link that is shown. */
function asOneOfMany({ metrics, ...config }: Config, { isFirst }: { isFirst: boolean }): Config {
  const { port: _, ...askedAbove } = metrics ?? {};
  return { ...config, offersSetup: isFirst, ...(metrics && { metrics: askedAbove }) };
}
