// A node that follows its keys and does what is due, about once a second, until it is killed.
import { createAudit } from '../../src/audit/audit.ts';
import { openPreparedDatabase } from '../../src/platform/database/prepare.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { SecretText } from '../../src/platform/secret-text.ts';
import { createKeyEncryption } from '../../src/signing-keys/envelope.ts';
import { createKeyStore } from '../../src/signing-keys/key-store.ts';
import { openKeyView } from '../../src/signing-keys/key-view.ts';
import type { KeyPolicy } from '../../src/signing-keys/timing.ts';

export interface SchedulerOrder {
  url: string;
  keyEncryptionKey: string;
  policy: KeyPolicy;
}

const { url, keyEncryptionKey, policy } = JSON.parse(process.argv[2]!) as SchedulerOrder;
const database = await openPreparedDatabase({
  location: { kind: 'postgresql', url: new SecretText(url) },
  production: false,
});
const logger = createLogger({ level: 'silent', production: true });
const keyEncryption = createKeyEncryption(Buffer.from(keyEncryptionKey, 'base64'));
const audit = createAudit({ database, logger });
const store = createKeyStore({
  database,
  keyEncryption,
  audit,
  policy,
  tokenLifetime: 1,
  algorithms: ['ES256', 'EdDSA'],
});
await openKeyView({ store, keyEncryption, policy, logger, database });
process.stdout.write('serving\n');
// Its own rounds do not keep a process alive.
setInterval(() => {}, 1000);
