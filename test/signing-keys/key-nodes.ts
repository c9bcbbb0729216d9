import { type Audit, createAudit } from '../../src/audit/audit.ts';
import type { Database } from '../../src/platform/database/database.ts';
import { createLogger } from '../../src/platform/logger.ts';
import type { KeyEncryption } from '../../src/signing-keys/envelope.ts';
import type { Algorithm } from '../../src/signing-keys/key-pair.ts';
import type { PublishedKey, SigningKeySet } from '../../src/signing-keys/key-set.ts';
import { createKeyStore, type KeyStore, type KeyStoreOptions } from '../../src/signing-keys/key-store.ts';
import { type KeyView, type KeyViewOptions, openKeyView } from '../../src/signing-keys/key-view.ts';
import { DEFAULT_KEY_POLICY } from '../../src/signing-keys/timing.ts';

const logger = createLogger({ level: 'silent', production: true });

/** Nodes of one test: closing ends all of them. */
export function createNodes(keyEncryption: KeyEncryption) {
  const audits: Audit[] = [];
  const views: KeyView[] = [];

  function storeOn(database: Database, more: Partial<KeyStoreOptions> = {}): KeyStore {
    const audit = createAudit({ database, logger });
    audits.push(audit);
    const policy = DEFAULT_KEY_POLICY;
    return createKeyStore({
      ...{ database, keyEncryption, audit, policy, tokenLifetime: 3600, algorithms: ['ES256', 'EdDSA'], ...more },
    });
  }

  async function viewOn(database: Database, store: KeyStore, more: Partial<KeyViewOptions> = {}): Promise<KeyView> {
    const view = await openKeyView({ database, store, keyEncryption, policy: DEFAULT_KEY_POLICY, logger, ...more });
    views.push(view);
    return view;
  }

  return {
    storeOn,
    viewOn,
    /** A store with two keys of each algorithm. */
    async withSpares(database: Database): Promise<KeyStore> {
      const store = storeOn(database);
      await store.advance();
      await store.advance();
      return store;
    },
    async close() {
      for (const view of views.splice(0)) await view.close();
      for (const audit of audits.splice(0)) await audit.close();
    },
  };
}

const by = { actor: 'test' };

export function signerOf({ keys }: SigningKeySet, algorithm: Algorithm = 'ES256'): Required<PublishedKey> {
  return keys.find((key) => key.algorithm === algorithm && key.sign) as Required<PublishedKey>;
}

export async function rotateNow(
  store: KeyStore,
  algorithm: Algorithm = 'ES256',
): Promise<{ before: string; after: string }> {
  const { keys } = await store.list();
  const before = keys.find((key) => key.algorithm === algorithm && key.state === 'active')!.kid;
  const outcome = await store.rotate({ algorithm, expectedActive: before, emergency: true }, by);
  if (outcome.kind !== 'rotated') throw new Error(JSON.stringify(outcome));
  return { before, after: outcome.kid };
}
