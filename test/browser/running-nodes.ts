import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApi } from '../../examples/api/src/app.ts';
import { createApp } from '../../src/app.ts';
import { type Environment, loadConfig } from '../../src/config/load.ts';
import { openServices } from '../../src/services.ts';
import { providers } from '../../src/upstreams/registry.ts';
import { createEmptyDatabase } from '../support/database.ts';
import { startBalancer } from '../support/flow-balancer.ts';
import { freePort } from '../support/free-port.ts';

export const PERSON = {
  name: 'Kim Jiwoo',
  userName: 'jiwoo',
  email: 'jiwoo@maru.example',
  password: 'four unrelated quiet words',
};

export interface RunningNodes {
  /** What all nodes are behind: each request goes to the next of them. */
  issuer: string;
  /** Each node by itself; to be asked with the host of the issuer. */
  nodes: { origin: string; issuer: string }[];
  /** examples/api: its address is its identifier too. */
  api: string;
  /** The client by which the API asks about keys. */
  client: { id: string; secret: string };
  personId: string;
  close(): Promise<void>;
}

/** The whole service as `npm start` makes it, on two nodes where the database allows it, somebody with a password, and examples/api. */
export async function startNodes(env: Environment = {}): Promise<RunningNodes> {
  const folder = mkdtempSync(join(tmpdir(), 'daemun-nodes-'));
  const database = await createEmptyDatabase();
  const balancer = await startBalancer();
  const issuer = balancer.origin;
  const apiServer = createServer();
  await new Promise<void>((resolve) => apiServer.listen(0, '127.0.0.1', resolve));
  const api = `http://127.0.0.1:${(apiServer.address() as AddressInfo).port}`;
  const configs = await Promise.all(
    Array.from({ length: database ? 2 : 1 }, async () =>
      loadConfig(providers, {
        ISSUER: issuer,
        PORT: String(await freePort()),
        HOST: '127.0.0.1',
        KEYS_DIR: join(folder, 'keys'),
        LOG_LEVEL: 'error',
        DAEMUN_BCRYPT_COST: '10',
        DAEMUN_SIGN_IN_PAGES_PER_ADDRESS: '10000',
        ...(database ? { DATABASE_URL: database.url } : { DATA_DIR: join(folder, 'data') }),
        ...env,
      }),
    ),
  );
  const [first] = configs;
  const populated = await populate(first!, api);
  const apps: Awaited<ReturnType<typeof createApp>>[] = [];
  for (const config of configs) {
    const app = await createApp(config);
    await app.listen();
    apps.push(app);
  }
  const origins = configs.map(({ listen }) => `http://127.0.0.1:${listen.port}`);
  balancer.balance(origins);
  const { id, secret } = populated.client;
  const application = createApi({ issuer, audience: api, apiKeys: { clientId: id, clientSecret: secret } });
  apiServer.on('request', application.callback());
  return {
    issuer,
    nodes: origins.map((origin) => ({ origin, issuer })),
    api,
    ...populated,
    async close() {
      apiServer.closeAllConnections();
      await new Promise((resolve) => apiServer.close(resolve));
      await balancer.close();
      for (const app of apps.reverse()) await app.close();
      await database?.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What an operator would do by the command line. */
async function populate(config: ReturnType<typeof loadConfig>, api: string) {
  const by = { actor: 'test' };
  const services = await openServices(config);
  try {
    const person = await services.accounts.create(PERSON, by);
    const scopes = [
      { name: 'sessions:read', description: 'See your sessions' },
      { name: 'sessions:write', description: 'Change your sessions' },
    ];
    const resource = await services.resourceServers.create({ identifier: api, name: 'Maru Sessions', scopes }, by);
    const client = await services.clients.create(
      {
        name: 'Maru Sessions',
        metadata: { grant_types: ['client_credentials'], response_types: [] },
        resources: [api],
      },
      by,
    );
    if (person.kind !== 'created' || resource.kind !== 'created' || client.kind !== 'created') {
      throw new Error(JSON.stringify([person, resource, client]));
    }
    return { personId: person.account.id, client: { id: client.client.id, secret: client.secret! as string } };
  } finally {
    await services.close();
  }
}
