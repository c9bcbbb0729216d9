import { createApp } from './app.ts';
import { loadConfig } from './config/load.ts';
import { runService } from './platform/run-service.ts';
import { providers } from './upstreams/registry.ts';

await runService({
  async create() {
    const config = loadConfig(providers);
    for (const warning of config.warnings) process.stderr.write(`Warning: ${warning}\n`);
    return createApp(config);
  },
});
