import { createHmac } from 'node:crypto';
import bcrypt from 'bcrypt';
import type { Database } from '../platform/database/database.ts';
import { unavailable } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import { ARGON2ID_FORMAT, argon2id } from './argon2id.ts';
import { createDecoyHashes } from './decoy-hashes.ts';
import { createHashQueue, type HashPlace, type HashQueue, type HashReservation, hashesAtOnce } from './hash-queue.ts';
import type { HashScheme } from './hash-scheme.ts';
import { createCredentialStore, type StoredPassword, UNPEPPERED } from './password-credentials.store.ts';
import { type HashParameters, parseHash } from './password-hash.ts';
import { createPasswordPolicy, type PasswordPolicy } from './password-policy.ts';

export type { StoredPassword } from './password-credentials.store.ts';
export type { PasswordOwner, PasswordProblem } from './password-policy.ts';

/** Keys held outside the rows they protect. */
export interface Peppers {
  current: { id: string; key: Buffer };
  byId(id: string): Buffer | undefined;
  ids(): string[];
}

/** A wait for whoever asks for a pepper that is not here, in seconds. */
const PEPPER_RETRY = 5;

export interface Verification {
  /** The stored password; absent when there is no such account, or it has none. */
  stored?: StoredPassword;
  password: string;
  /** Picks the decoy when there is nothing to compare with. */
  key: Buffer;
  place: HashPlace;
}

export interface Passwords extends PasswordPolicy {
  /** @throws AppError unavailable, when too many hashes wait already */
  hash(password: string): Promise<StoredPassword>;
  /** Takes a place for one hash; `source` is the address that asks. */
  reserve(source?: string): HashReservation;
  /** The peppers of passwords that can be compared here. */
  knownPeppers(): string[];
  /**
   * To be awaited before a try is counted: the pepper may be newer than what this node has read.
   * @throws AppError unavailable, when it is not there either
   */
  knowPepperOf(stored: StoredPassword | undefined): Promise<void>;
  /**
   * Computes one hash whatever it is given, and says whether it was the password. Gives the place back.
   * @throws AppError unavailable, when the pepper of `stored` is not known
   */
  verify(verification: Verification): Promise<boolean>;
  /** Whether a new hash would be made differently. */
  isOutdated(stored: StoredPassword): boolean;
  /** Makes sure that decoys are known; to be awaited before every `verify`. */
  ready(): Promise<void>;
}

export interface PasswordsOptions {
  database: Pick<Database, 'pool'>;
  peppers: Peppers;
  /** Reads the peppers anew. */
  reloadPeppers?(): Promise<unknown>;
  logger: Pick<Logger, 'error'>;
  serviceName: string;
  hash: 'bcrypt' | 'argon2id';
  bcryptCost: number;
  minimumLength: number;
  /** Processes that share this machine, this one included. */
  processes?: number;
  queue?: HashQueue;
  schemes?: Record<'bcrypt' | 'argon2id', HashScheme>;
}

/** Milliseconds that one hash takes on an ordinary core, until it was measured here. */
const BCRYPT_12 = 240;
const ARGON2ID = 12;

/**
 * Passwords are hashed over base64(HMAC-SHA-256(pepper, NFC(password))): 44 characters, so bcrypt cuts nothing and a stolen table is
 * worthless without the pepper. An imported bcrypt hash is compared as it was made, until the next sign-in replaces it. S-120, S-121
 */
export function createPasswords(options: PasswordsOptions): Passwords {
  const { database, peppers, logger, hash: scheme, bcryptCost } = options;
  const { schemes = { bcrypt: bcryptScheme(bcryptCost), argon2id } } = options;
  const expected = scheme === 'bcrypt' ? BCRYPT_12 * 2 ** (bcryptCost - 12) : ARGON2ID;
  const { queue = createHashQueue({ expected, concurrency: hashesAtOnce(options.processes ?? 1) }) } = options;
  const decoys = createDecoyHashes({
    format: scheme === 'bcrypt' ? `$2b$${String(bcryptCost).padStart(2, '0')}` : ARGON2ID_FORMAT,
    secret: peppers.current.key,
    countFormats: createCredentialStore(database.pool).countFormats,
  });

  const isKnown = ({ pepperId }: StoredPassword) => pepperId === UNPEPPERED || peppers.byId(pepperId) !== undefined;
  let reloading: Promise<unknown> | undefined;

  async function knowPepperOf(stored: StoredPassword | undefined): Promise<void> {
    if (!stored || isKnown(stored)) return;
    // Together with whoever asks at the same moment.
    reloading ??= Promise.resolve(options.reloadPeppers?.()).finally(() => {
      reloading = undefined;
    });
    try {
      await reloading;
    } catch (error) {
      throw unavailable(PEPPER_RETRY, error);
    }
    if (!isKnown(stored)) throw pepperMissing(stored);
  }

  function pepperMissing({ pepperId }: StoredPassword) {
    logger.error({ pepperId }, 'a stored password cannot be checked: its pepper is not there');
    return unavailable(PEPPER_RETRY, new Error(`pepper ${pepperId} is not known`));
  }

  /** Undefined when nothing can match: an unknown scheme, an empty password. */
  function comparable(password: string, stored: StoredPassword | undefined): Comparable | undefined {
    if (!stored || password === '') return undefined;
    if (!isKnown(stored)) throw pepperMissing(stored);
    const parsed = parseHash(stored.hash);
    const pepper = peppers.byId(stored.pepperId);
    const isImported = stored.pepperId === UNPEPPERED && parsed?.parameters.scheme === 'bcrypt';
    if (!parsed || !(pepper || isImported)) {
      logger.error({ pepperId: stored.pepperId, format: parsed?.format }, 'a stored password cannot be checked');
      return undefined;
    }
    return { parameters: parsed.parameters, hash: stored.hash, text: pepper ? keyed(pepper, password) : password };
  }

  return {
    ...createPasswordPolicy(options),

    async hash(password) {
      const reservation = queue.reserve();
      if (reservation.kind === 'busy') throw unavailable(reservation.retryAfter);
      const { id, key } = peppers.current;
      const text = keyed(key, password);
      return { hash: await reservation.place.run(() => schemes[scheme].hash(text)), pepperId: id };
    },

    reserve: (source) => queue.reserve(source),

    knownPeppers: () => [UNPEPPERED, ...peppers.ids()],
    knowPepperOf,

    async verify({ stored, password, key, place }) {
      const real = comparable(password, stored);
      const decoy = decoys.pick(key);
      const { parameters, hash, text } = real ?? {
        parameters: parseHash(decoy)!.parameters,
        hash: decoy,
        text: keyed(peppers.current.key, password),
      };
      const matches = await place.run(() => schemes[parameters.scheme].compare(text, hash));
      return matches && real !== undefined;
    },

    isOutdated({ hash, pepperId }) {
      const parsed = parseHash(hash);
      if (pepperId !== peppers.current.id || parsed?.parameters.scheme !== scheme) return true;
      return parsed.parameters.scheme === 'bcrypt'
        ? parsed.parameters.cost < bcryptCost
        : parsed.format !== ARGON2ID_FORMAT;
    },

    ready: () => decoys.ready(),
  };
}

interface Comparable {
  parameters: HashParameters;
  hash: string;
  text: string;
}

function keyed(pepper: Buffer, password: string): string {
  return createHmac('sha256', pepper).update(password.normalize('NFC')).digest('base64');
}

export function bcryptScheme(cost: number): HashScheme {
  return {
    hash: (text) => bcrypt.hash(text, cost),
    // PHP's prefix for the same function, which the library does not know.
    compare: (text, hash) => bcrypt.compare(text, hash.replace(/^\$2y\$/, '$2b$')),
  };
}
