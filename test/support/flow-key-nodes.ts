import { randomBytes } from 'node:crypto';
import { Writable } from 'node:stream';
import { createAudit } from '../../src/audit/audit.ts';
import type { Database } from '../../src/platform/database/database.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createKeyEncryption } from '../../src/signing-keys/envelope.ts';
import type { Algorithm, makeKeyPair } from '../../src/signing-keys/key-pair.ts';
import { createKeyStore, type KeyStore } from '../../src/signing-keys/key-store.ts';
import { type KeyView, openKeyView } from '../../src/signing-keys/key-view.ts';
import type { KeyPolicy } from '../../src/signing-keys/timing.ts';
import type { TestDatabase } from './database.ts';
import { startBalancer } from './flow-balancer.ts';
import { makeSecrets } from './flow-keys.ts';
import { type Flow, type FlowOptions, startFlow } from './flow-server.ts';

export interface KeyNode {
  flow: Flow;
  store: KeyStore;
  view: KeyView;
}

export interface KeyNodes {
  issuer: string;
  nodes: KeyNode[];
  /** What was logged about the keys. */
  log: string[];
  /** How many requests each node was given. */
  requests: number[];
  close(): Promise<void>;
}

export interface KeyNodesOptions {
  count: number;
  policy: KeyPolicy;
  lifetimes: FlowOptions['lifetimes'] & { idToken: number; accessToken: number };
  makeKey: typeof makeKeyPair;
  algorithms: readonly Algorithm[];
}

/** Several whole nodes behind one address, on one database, whose keys live as `policy` says. */
export async function startKeyNodes(
  database: TestDatabase,
  { count, policy, lifetimes, makeKey, algorithms }: KeyNodesOptions,
): Promise<KeyNodes> {
  const balancer = await startBalancer();
  const keyEncryption = createKeyEncryption(randomBytes(32));
  const secrets = makeSecrets();
  const tokenLifetime = Math.max(lifetimes.idToken, lifetimes.accessToken);
  const log: string[] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      log.push(String(chunk));
      done();
    },
  });
  const logger = createLogger({ level: 'warn', production: true, destination });
  const nodes: KeyNode[] = [];
  const endings: (() => Promise<void>)[] = [];
  for (let index = 0; index < count; index++) {
    const own: Database = index === 0 ? database : await database.connect();
    const audit = createAudit({ database: own, logger });
    const store = createKeyStore({ database: own, keyEncryption, audit, policy, tokenLifetime, makeKey, algorithms });
    const view = await openKeyView({ store, keyEncryption, policy, logger, database: own });
    const flow = await startFlow({
      database: own,
      issuer: balancer.origin,
      lifetimes,
      secrets,
      signingKeys: view.current(),
      keyPolicy: policy,
    });
    view.onChange((set) => flow.identityProvider.replaceKeys(set));
    nodes.push({ flow, store, view });
    endings.unshift(async () => {
      await view.close();
      await flow.close();
      await audit.close();
    });
  }
  balancer.balance(nodes.map(({ flow }) => flow.origin));
  return {
    issuer: balancer.origin,
    nodes,
    log,
    requests: balancer.requests,
    async close() {
      await balancer.close();
      for (const end of endings) await end();
    },
  };
}
