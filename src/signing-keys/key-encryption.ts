import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { OperatorError } from '../platform/operator-error.ts';
import type { SecretText } from '../platform/secret-text.ts';
import { createKeyEncryption, type KeyEncryption } from './envelope.ts';
import { listNodes, type Queryable } from './key-nodes.ts';
import { OWN_TABLES, type SealedTable } from './sealed-table.ts';

const FILE = 'key-encryption.key';
const KEY_LENGTH = 32;
const READABLE_BY_OTHERS = 0o077;

/** The service must not start; the message says what to do. */
export class KeyEncryptionError extends OperatorError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options?.cause);
    this.name = 'KeyEncryptionError';
  }
}

export interface KeyEncryptionOptions {
  /** Where the file is, and is made when neither it nor a sealed database exists yet. */
  directory: string;
  /** KEY_ENCRYPTION_KEY: 32 bytes in base64, or several of them; the first seals. Wins over the file. */
  value?: SecretText;
  production: boolean;
  /** Asked which key it was sealed under, before any new key is made. */
  database: { pool: Pool };
  /** What else is sealed here, beside signing keys and server secrets. */
  tables?: readonly SealedTable[];
  warn?(text: string): void;
}

/**
 * The one secret that the database does not hold. While it is being changed there are two: the first seals, all open.
 * @throws KeyEncryptionError when it is missing, malformed, or not the one that the database was sealed under
 */
export async function loadKeyEncryption(options: KeyEncryptionOptions): Promise<KeyEncryption> {
  const { directory, value, production, database, tables } = options;
  const needed = await findKekIds(database.pool, tables);
  const keys = value ? parse(value.reveal(), 'KEY_ENCRYPTION_KEY') : await readOrMake();
  const keyEncryption = createKeyEncryption(keys);
  assertCanOpen(keyEncryption.kekIds, needed);
  const blind = await findBlindNodes(database.pool, keyEncryption.kekId);
  if (blind.length > 0) {
    options.warn?.(
      `Key-encryption key ${keyEncryption.kekId} is first here, and nodes that serve do not have it (${blind.join(', ')}): they ` +
        'cannot open what this one makes. Put it behind the other until all have it, as docs/keys.md says.',
    );
  }
  return keyEncryption;

  async function readOrMake(): Promise<Buffer[]> {
    const path = join(directory, FILE);
    const existing = await read(path, options.warn);
    if (existing) return existing;
    if (needed.length > 0) {
      throw new KeyEncryptionError(
        `The key-encryption key is missing: there is no ${path}, and the secrets in the database were sealed under key ` +
          `${needed.join(', ')}. Put that file back, or set KEY_ENCRYPTION_KEY to its content. Nothing was changed.`,
      );
    }
    if (production) {
      throw new KeyEncryptionError(
        'KEY_ENCRYPTION_KEY is missing. Make one with `openssl rand -base64 32` and keep it safe.',
      );
    }
    return make(directory, path);
  }
}

/** @throws KeyEncryptionError naming what is needed and what is here */
export function assertCanOpen(kekIds: readonly string[], needed: readonly string[]): void {
  const missing = needed.filter((id) => !kekIds.includes(id));
  if (missing.length === 0) return;
  const isWrong = missing.length === needed.length;
  throw new KeyEncryptionError(
    `${isWrong ? 'This is the wrong key-encryption key' : 'A key-encryption key is missing'}: here is ${kekIds.join(', ')}, ` +
      `and secrets in the database were sealed under ${missing.join(', ')}. Give ${isWrong ? 'that key' : 'that one too'} in ` +
      `KEY_ENCRYPTION_KEY or ${FILE}, or start on the database that belongs to this one. Nothing was changed.`,
  );
}

/** The key-encryption keys that something is sealed under. What is erased needs none. */
export async function findKekIds(database: Queryable, tables: readonly SealedTable[] = []): Promise<string[]> {
  const selects = [...OWN_TABLES, ...tables].map(
    ({ table, ciphertext }) => `SELECT kek_id FROM ${table} WHERE ${ciphertext} IS NOT NULL`,
  );
  const { rows } = await database.query(`${selects.join(' UNION ')} ORDER BY 1`);
  return (rows as { kek_id: string }[]).map((row) => row.kek_id);
}

/** Shorter than until a node counts as gone: one that was just replaced may not keep its successor from starting. */
const SERVES = 60;

async function findBlindNodes(database: Queryable, kekId: string): Promise<string[]> {
  const nodes = await listNodes(database, SERVES);
  return nodes.flatMap(({ id, kekIds }) => (kekIds.includes(kekId) ? [] : [id]));
}

/**
 * Before anything is sealed: what is made here must be of use to everybody who serves.
 * @throws KeyEncryptionError naming the nodes that could not open it
 */
export async function assertNodesCanOpen(database: Queryable, kekId: string): Promise<void> {
  const blind = await findBlindNodes(database, kekId);
  if (blind.length === 0) return;
  throw new KeyEncryptionError(
    `Key-encryption key ${kekId} is first here, and nodes that serve do not have it (${blind.join(', ')}): what is sealed with it ` +
      'would stop them. Put it behind the other until all have it, as docs/keys.md says, or do this on one of them. Nothing was changed.',
  );
}

/** One in a line, or separated by commas. */
function parse(text: string, source: string): Buffer[] {
  const written = text.split(/[\s,]+/).filter(Boolean);
  const keys = (written.length > 0 ? written : ['']).map((one) => Buffer.from(one, 'base64'));
  const wrong = keys.findIndex(({ length }) => length !== KEY_LENGTH);
  if (wrong < 0) return keys;
  throw new KeyEncryptionError(
    `${source} does not hold a key${keys.length > 1 ? ` in place ${wrong + 1} of ${keys.length}` : ''}: it must be ${KEY_LENGTH} ` +
      `bytes in base64 and has ${keys[wrong]!.length}. Restore it from your backup.`,
  );
}

async function read(path: string, warn?: (text: string) => void): Promise<Buffer[] | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
    const { mode } = await stat(path);
    if (process.platform !== 'win32' && mode & READABLE_BY_OTHERS) {
      warn?.(`${path} can be read by other users of this machine. Run: chmod 600 ${path}`);
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new KeyEncryptionError(`${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
  return parse(text, path);
}

/**
 * Written whole under another name and then given its own, which only one process can do: nobody reads half a key, a crash
 * leaves none behind, and whoever comes second uses the first one's.
 */
async function make(directory: string, path: string): Promise<Buffer[]> {
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const file = await open(draft, 'wx', 0o600);
    await file.writeFile(`${randomBytes(KEY_LENGTH).toString('base64')}\n`);
    await file.sync();
    await file.close();
    await giveName(draft, path);
  } catch (cause) {
    throw new KeyEncryptionError(`A key-encryption key cannot be made in ${directory}: ${(cause as Error).message}`, {
      cause,
    });
  } finally {
    await rm(draft, { force: true }).catch(() => {});
  }
  return (await read(path))!;
}

async function giveName(draft: string, path: string): Promise<void> {
  try {
    // Not every file system has links.
    await link(draft, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') throw error;
      return copyFile(draft, path, constants.COPYFILE_EXCL);
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
