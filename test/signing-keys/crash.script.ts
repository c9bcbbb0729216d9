// One node that does what is due, or what it is ordered to, and ends; or dies at the given statement of it.
import pg from 'pg';
import { createAudit } from '../../src/audit/audit.ts';
import { openPreparedDatabase } from '../../src/platform/database/prepare.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { SecretText } from '../../src/platform/secret-text.ts';
import { createKeyEncryption } from '../../src/signing-keys/envelope.ts';
import { createKeyStore } from '../../src/signing-keys/key-store.ts';
import { DEFAULT_KEY_POLICY } from '../../src/signing-keys/timing.ts';

export interface CrashOrder {
  /** A connection string, or the folder of an embedded database. */
  place: string;
  keyEncryptionKey: string;
  /** Lets so many seconds pass first. */
  age?: number;
  order?: { kind: 'rotate' | 'revoke'; kid: string };
  killAt?: number;
}

export interface CrashReport {
  version: number;
  keys: { kid: string; state: string; hasPrivateHalf: boolean }[];
  events: number;
  due: boolean;
}

const { place, keyEncryptionKey, age, order, killAt } = JSON.parse(process.argv[2]!) as CrashOrder;
const isServer = place.startsWith('postgres');
const database = await openPreparedDatabase({
  location: isServer ? { kind: 'postgresql', url: new SecretText(place) } : { kind: 'embedded', directory: place },
  production: false,
});
const audit = createAudit({ database, logger: createLogger({ level: 'silent', production: true }) });
const store = createKeyStore({
  database,
  keyEncryption: createKeyEncryption(Buffer.from(keyEncryptionKey, 'base64')),
  audit,
  policy: DEFAULT_KEY_POLICY,
  tokenLifetime: 3600,
  algorithms: ['ES256'],
});

if (age !== undefined) {
  const times = ['created', 'published', 'activated', 'retired', 'archived', 'destroyed', 'revoked'];
  const sets = times.map((name) => `${name}_at = ${name}_at - make_interval(secs => ${age})`);
  await database.pool.query(`UPDATE signing_keys SET ${sets.join(', ')}`);
}
await report('found');
if (killAt !== undefined) dieAt(killAt);
const by = { actor: 'test' };
if (order?.kind === 'rotate') {
  await store.rotate({ algorithm: 'ES256', expectedActive: order.kid, emergency: false }, by);
} else if (order?.kind === 'revoke') {
  await store.revoke({ kid: order.kid, reason: 'test' }, by);
} else if (age === undefined) {
  while (await store.advance());
}
await report('left');
await audit.close();
await database.close();

async function report(name: string): Promise<void> {
  const stored = await store.read();
  const { rows } = await database.pool.query(
    `SELECT count(*)::int AS events FROM audit_events WHERE type LIKE 'signing_key.%'`,
  );
  const said: CrashReport = {
    version: stored.version,
    keys: stored.keys.map(({ kid, state, hasPrivateHalf }) => ({ kid, state, hasPrivateHalf })),
    events: rows[0].events,
    due: store.isDue(stored),
  };
  process.stdout.write(`${name} ${JSON.stringify(said)}\n`);
}

/** A server goes on with what it was sent; the embedded database is in this process: it gets to the end of the statement. */
function dieAt(count: number): void {
  const { query } = pg.Client.prototype;
  const die = () => process.kill(process.pid, 'SIGKILL');
  let left = count;
  pg.Client.prototype.query = function counted(this: pg.Client, ...args: unknown[]) {
    left -= 1;
    if (left > 0) return Reflect.apply(query, this, args);
    if (!isServer && typeof args.at(-1) === 'function') args[args.length - 1] = die;
    const answer = Reflect.apply(query, this, args);
    if (isServer) die();
    else (answer as Promise<unknown> | undefined)?.then(die, die);
    // Nobody hears of it any more.
    return new Promise(() => {});
  } as never;
}
