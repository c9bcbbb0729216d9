import { createApp } from './app.ts';
import { loadConfig } from './config/load.ts';
import { runService } from './platform/run-service.ts';

await runService({
  async create() {
    const config = loadConfig();
    for (const warning of config.warnings) process.stderr.write(`Warning: ${warning}\n`);
    return createApp(config);
  },
});
