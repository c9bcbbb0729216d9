import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServiceOn } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { Logger } from '../../src/platform/logger.ts';
import { openServices, type Services } from '../../src/services.ts';
import { providers } from '../../src/upstreams/registry.ts';
import { createEmptyDatabase } from './database.ts';
import { freePort } from './free-port.ts';

export interface WholeService {
  services: Services;
  issuer: string;
  metricsUrl: string;
  close(): Promise<void>;
}

/**
 * A service as `npm start` puts it together, on an empty database, with a port for figures. `more`: variables besides; `logger`:
 * instead of the one that the variables say. `populate`: what the database holds before it starts.
 */
export async function startWholeService(
  more: Record<string, string> = {},
  logger?: Logger,
  populate?: (services: Services) => Promise<unknown>,
): Promise<WholeService> {
  const folder = mkdtempSync(join(tmpdir(), 'daemun-service-'));
  const database = await createEmptyDatabase();
  const metricsPort = await freePort();
  const config = loadConfig(providers, {
    PORT: String(await freePort()),
    HOST: 'localhost',
    DAEMUN_METRICS_PORT: String(metricsPort),
    KEYS_DIR: join(folder, 'keys'),
    LOG_LEVEL: 'silent',
    ...(database ? { DATABASE_URL: database.url } : { DATA_DIR: join(folder, 'data') }),
    ...more,
  });
  const services = await openServices(config, logger);
  await populate?.(services);
  const service = await createServiceOn(services, config);
  const { url: issuer } = await service.listen();
  return {
    services,
    issuer,
    metricsUrl: `http://localhost:${metricsPort}/metrics`,
    async close() {
      await service.close();
      await database?.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A client that is a program and signs in nobody. */
export async function registerMachine({ services }: WholeService): Promise<{ id: string; secret: string }> {
  const created = await services.clients.create(
    { id: 'machine', name: 'Machine', metadata: { grant_types: ['client_credentials'], response_types: [] } },
    { actor: 'test' },
  );
  if (created.kind !== 'created') throw new Error(JSON.stringify(created));
  return { id: 'machine', secret: created.secret! };
}
