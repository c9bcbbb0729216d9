import { Writable } from 'node:stream';
import { afterAll, beforeAll } from '@jest/globals';
import { type Accounts, createAccounts } from '../../src/accounts/accounts.ts';
import { argon2id } from '../../src/accounts/argon2id.ts';
import { createFederation, type Federation, type SignUpOptions } from '../../src/accounts/federation.ts';
import { createHashQueue } from '../../src/accounts/hash-queue.ts';
import type { HashScheme } from '../../src/accounts/hash-scheme.ts';
import { createNotifications } from '../../src/accounts/notifications.ts';
import { createOneTimeLinks, type OneTimeLinks } from '../../src/accounts/one-time-links.ts';
import { parseHash } from '../../src/accounts/password-hash.ts';
import { bcryptScheme, createPasswords, type Passwords, type PasswordsOptions } from '../../src/accounts/passwords.ts';
import { createUserSessions, type UserSessions } from '../../src/accounts/sessions.ts';
import { createSignIn, type SignIn, type SignInOptions } from '../../src/accounts/sign-in.ts';
import { type Audit, createAudit, type Transaction } from '../../src/audit/audit.ts';
import type { Database } from '../../src/platform/database/database.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createMailbox, type Mailbox } from '../../src/platform/mail/mailbox.ts';
import { createRateLimiter } from '../../src/platform/rate-limiter.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';

export const PASSWORD = 'violet harbour walks slowly';
export const PEPPER = { id: 'pepper-1', key: Buffer.alloc(32, 1) };

/** Everything that one process has of accounts, on the cheapest hash. */
export interface TestNode {
  accounts: Accounts;
  signIn: SignIn;
  oneTimeLinks: OneTimeLinks;
  sessions: UserSessions;
  federation: Federation;
  passwords: Passwords;
  audit: Audit;
  mailbox: Mailbox;
  /** Every hash computed since the start, such as "compare $2b$04". */
  hashes: string[];
  /** Every log line. */
  lines: Record<string, unknown>[];
  /** What was handed to the engine's side: ids of accounts and uids of sessions whose access ended. */
  ended: string[];
  close(): Promise<void>;
}

export interface NodeOptions {
  passwords?: Partial<PasswordsOptions>;
  signIn?: Partial<SignInOptions>;
  endAccess?(tx: Transaction, id: string): Promise<{ sessions: string[] }>;
  endSession?(tx: Transaction, uid: string): Promise<void>;
  sessionLifetime?: number;
  signUp?: SignUpOptions;
  isConfigured?(provider: string): boolean;
}

export function startNode(database: Database, options: NodeOptions = {}): TestNode {
  const lines: Record<string, unknown>[] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  const logger = createLogger({ level: 'debug', production: true, destination });
  const audit = createAudit({ database, logger });
  const hashes: string[] = [];
  const byId = (id: string) => (id === PEPPER.id ? PEPPER.key : undefined);
  const peppers = { current: PEPPER, byId, ids: () => [PEPPER.id] };
  const bcryptCost = options.passwords?.bcryptCost ?? 4;
  const passwords = createPasswords({
    database,
    logger,
    peppers,
    serviceName: 'Daemun',
    hash: 'bcrypt',
    bcryptCost,
    minimumLength: 15,
    queue: createHashQueue({ expected: 1, patience: 3_600_000 }),
    schemes: { bcrypt: recorded(bcryptScheme(bcryptCost), hashes), argon2id: recorded(argon2id, hashes) },
    ...options.passwords,
  });
  const mailbox = createMailbox({ database });
  const notify = createNotifications({ mail: mailbox, serviceName: 'Daemun' });
  const ended: string[] = [];
  const {
    endAccess = async (_tx: Transaction, id: string) => {
      ended.push(id);
      return { sessions: [] };
    },
    endSession = async (_tx: Transaction, uid: string) => {
      ended.push(uid);
    },
  } = options;
  const sessions = createUserSessions({
    database,
    audit,
    logger,
    lifetime: options.sessionLifetime ?? 1_209_600,
    endSession,
  });
  return {
    accounts: createAccounts({ database, audit, passwords, notify, endAccess }),
    signIn: createSignIn({
      database,
      audit,
      logger,
      passwords,
      peppers: options.passwords?.peppers ?? peppers,
      addressLimit: createRateLimiter({ points: 1_000_000, seconds: 60 }),
      ...options.signIn,
    }),
    oneTimeLinks: createOneTimeLinks({ database, audit, passwords, notify, endAccess }),
    sessions,
    federation: createFederation({
      database,
      audit,
      notify,
      signUp: options.signUp ?? { policy: 'open', domains: [] },
      isConfigured: options.isConfigured ?? (() => true),
      endAccess,
    }),
    passwords,
    audit,
    mailbox,
    hashes,
    lines,
    ended,
    async close() {
      await sessions.close();
      await audit.close();
    },
  };
}

function recorded(scheme: HashScheme, hashes: string[]): HashScheme {
  return {
    hash(text) {
      hashes.push('hash');
      return scheme.hash(text);
    },
    compare(text, hash) {
      hashes.push(`compare ${parseHash(hash)?.format}`);
      return scheme.compare(text, hash);
    },
  };
}

export interface TestNodes {
  database: TestDatabase;
  node: TestNode;
  /** An independent connection where there can be one: the embedded database has one session, and so one queue. */
  otherDatabase: Database;
  otherNode: TestNode;
}

/** Opens a database with two nodes on it before the tests of this file, or of this group, and closes everything after them. */
export function useNodes(hand: (nodes: TestNodes) => void): void {
  let nodes: TestNodes | undefined;
  beforeAll(async () => {
    const database = await openTestDatabase();
    const otherDatabase = database.kind === 'embedded' ? database : await database.connect();
    nodes = { database, otherDatabase, node: startNode(database), otherNode: startNode(otherDatabase) };
    hand(nodes);
  });
  afterAll(async () => {
    await nodes?.node.close();
    await nodes?.otherNode.close();
    await nodes?.database.close();
  });
}

let people = 0;

/** Somebody with a password, unlike anybody before. */
export async function createPerson(
  node: TestNode,
  input: Partial<Parameters<Accounts['create']>[0]> = {},
): Promise<{ id: string; userName: string; email: string }> {
  people += 1;
  const [userName, email] = [`person${people}`, `person${people}@example.com`];
  const outcome = await node.accounts.create({ userName, email, password: PASSWORD, ...input }, {});
  if (outcome.kind !== 'created') throw new Error(`not created: ${JSON.stringify(outcome)}`);
  return { id: outcome.account.id, userName, email };
}

/** Types and details of what was recorded about somebody, oldest first. */
export async function recordedAbout(database: Database, userId: string) {
  const rows = await database.prisma.auditEvent.findMany({ where: { userId }, orderBy: { id: 'asc' } });
  return rows.map(({ type, details }) => ({ type, details }));
}
