import type { Audit, AuditContext } from '../audit/audit.ts';
import type { Observations } from '../audit/observations.ts';
import type { Database } from '../platform/database/database.ts';
import { unavailable } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import { addressKey, type RateLimiter } from '../platform/rate-limits.ts';
import type { Account } from './account.ts';
import { digestOfDeviceSecret, formatDeviceToken, parseDeviceToken, renewDeviceToken } from './device-token.ts';
import { parseLogin } from './login.ts';
import { createCredentialStore } from './password-credentials.store.ts';
import { parseHash } from './password-hash.ts';
import type { Passwords, Peppers, StoredPassword } from './passwords.ts';
import { type Attempt, type Candidate, createSignInStore } from './sign-in.store.ts';
import {
  accountKey,
  createSignInThrottle,
  strangerKey,
  THROTTLE_POLICY,
  type ThrottlePolicy,
} from './sign-in-throttle.ts';
import { createTurns } from './turns.ts';

export interface PasswordAttempt {
  /** E-mail address or user name. */
  login: string;
  password: string;
  /** What the last sign-in in this browser gave it to keep. */
  deviceToken?: string;
}

export interface SignedIn {
  kind: 'signed_in';
  account: Account;
  /** As it was when the password was read that was compared: if the account has another one by now, this is no sign-in any more. */
  accessGeneration?: number;
  amr: string[];
  deviceToken: string;
  mustChangePassword: boolean;
}

/** `retryAfter` in seconds. Unknown login, no password and wrong password are all `refused`. */
export type SignInOutcome =
  | SignedIn
  | { kind: 'refused' }
  | { kind: 'disabled' }
  | { kind: 'throttled'; retryAfter: number }
  | { kind: 'busy'; retryAfter: number };

export interface SignIn {
  /** The limit per address is inside. */
  withPassword(attempt: PasswordAttempt, by: AuditContext): Promise<SignInOutcome>;
  /** For a timer: removes counters of logins that nobody has. */
  forgetStrangers(limit?: number): Promise<number>;
}

export interface SignInOptions {
  database: Pick<Database, 'pool'>;
  audit: Pick<Audit, 'queue' | 'once' | 'prepare'>;
  /** Told of each try that a limit refuses. */
  observations?: Pick<Observations, 'signInBlocked'>;
  logger: Pick<Logger, 'warn'>;
  passwords: Passwords;
  peppers: Peppers;
  addressLimit: RateLimiter;
  throttlePolicy?: ThrottlePolicy;
}

/**
 * Checks go from cheap to dear, and every one is the same for logins that exist and those that do not: limit of the address, place
 * in the hash queue, look-up with one try counted, one hash computed, and only then what a right password reveals. S-122
 */
export function createSignIn(options: SignInOptions): SignIn {
  const {
    database,
    audit,
    observations,
    logger,
    passwords,
    peppers,
    addressLimit,
    throttlePolicy = THROTTLE_POLICY,
  } = options;
  const store = createSignInStore(database.pool, throttlePolicy);
  const credentials = createCredentialStore(database.pool);
  const throttle = createSignInThrottle(database.pool, throttlePolicy);

  // Tries of one login stand in line here, so that an attack on it holds one connection of this node and not all of them. No more of
  // them wait than there are places for hashes, and when one fails, so do those behind it: a database that does not answer would let
  // each of them wait as long.
  const inLine = createTurns({ failTogether: true });

  /** @throws AppError unavailable, with no try counted, when the password cannot be compared */
  async function begin(attempt: Omit<Attempt, 'knownPeppers'>): Promise<{ candidate?: Candidate; isTaken: boolean }> {
    const tryOnce = () =>
      inLine(attempt.stranger.toString('latin1'), () =>
        store.begin({ ...attempt, knownPeppers: passwords.knownPeppers() }),
      );
    let begun = await tryOnce();
    if (begun.try === 'unknown_pepper') {
      await passwords.knowPepperOf(begun.candidate?.password);
      begun = await tryOnce();
    }
    if (begun.try === 'unknown_pepper') throw unavailable(1);
    return { ...begun, isTaken: begun.try === 'taken' };
  }

  async function limited(by: AuditContext): Promise<SignInOutcome | undefined> {
    if (by.address === undefined) return undefined;
    const decision = await addressLimit.take(addressKey(by.address));
    if (decision.allowed) return undefined;
    const { retryAfter, isFirst } = decision;
    observations?.signInBlocked({ limit: 'address' }, by);
    // Once for each time the limit is reached: refusing must stay cheap.
    if (isFirst) await audit.queue.signInThrottled({ limit: 'address', retryAfter }, by);
    return { kind: 'throttled', retryAfter };
  }

  async function enter(
    candidate: Candidate,
    attempt: PasswordAttempt,
    key: Buffer,
    by: AuditContext,
  ): Promise<SignInOutcome | undefined> {
    const { account, password } = candidate;
    const secrets = parseDeviceToken(attempt.deviceToken);
    const renewed = candidate.device ? undefined : renewDeviceToken(secrets);
    const device = candidate.device ?? digestOfDeviceSecret(renewed!.secret);
    const amr = ['pwd'];
    const knownDevice = candidate.device !== undefined;
    const event = audit.prepare.signInSucceeded({ userId: account.id, amr, knownDevice }, by);
    const { changedAt } = password!;
    const state = await store.succeed({ userId: account.id, key, device, changedAt, record: event.row });
    if (state === undefined) return undefined;
    if (state !== 'active') return { kind: 'disabled' };
    event.stored();
    await upgrade(account.id, password!, attempt.password);
    return {
      kind: 'signed_in',
      account: { ...account, state },
      accessGeneration: candidate.accessGeneration,
      amr,
      deviceToken: renewed?.token ?? formatDeviceToken(secrets),
      mustChangePassword: password!.mustChange,
    };
  }

  /** Never the reason for a sign-in to fail. S-124 */
  async function upgrade(userId: string, old: StoredPassword, password: string): Promise<void> {
    if (!passwords.isOutdated(old)) return;
    try {
      const hashed = await passwords.hash(password);
      const [from, to] = [old, hashed].map(({ hash }) => parseHash(hash)?.format ?? 'unknown') as [string, string];
      const event = audit.prepare.passwordHashUpgraded({ userId, from, to }, {});
      if (await credentials.upgrade(userId, old, hashed, event.row)) event.stored();
    } catch (error) {
      logger.warn({ error, userId }, 'an outdated password hash was not replaced');
    }
  }

  async function recordFailure(
    kind: 'refused' | 'disabled',
    candidate: Candidate | undefined,
    by: AuditContext,
  ): Promise<void> {
    const userId = candidate && { userId: candidate.account.id };
    const refusal = !candidate ? 'unknown_user' : !candidate.password ? 'no_password' : 'wrong_password';
    await audit.queue.signInFailed({ ...userId, reason: kind === 'disabled' ? 'account_disabled' : refusal }, by);
  }

  return {
    async withPassword(attempt, by) {
      const refusal = await limited(by);
      if (refusal) return refusal;
      const reservation = passwords.reserve(by.address && addressKey(by.address));
      if (reservation.kind === 'busy') return reservation;
      const { place } = reservation;
      try {
        await passwords.ready();
        const login = parseLogin(attempt.login);
        const devices = parseDeviceToken(attempt.deviceToken).map(digestOfDeviceSecret);
        const stranger = strangerKey(login, peppers.current.key);
        const { candidate, isTaken } = await begin({ login, devices, stranger });
        const userId = candidate?.account.id;
        const key = userId ? accountKey(userId) : stranger;
        if (!isTaken) {
          const { limit, retryAfter, block } = await throttle.blocked({ key, userId, device: candidate?.device });
          const person = userId === undefined ? {} : { userId };
          observations?.signInBlocked({ ...person, limit }, by);
          // Once for each block, whichever node is asked first.
          const record = block && audit.once(block.identity, block.since);
          await record?.signInThrottled({ ...person, limit, retryAfter }, by);
          return { kind: 'throttled', retryAfter };
        }
        const { password } = attempt;
        const matches = await passwords.verify({ stored: candidate?.password, password, key, place });
        const outcome = (matches && (await enter(candidate!, attempt, key, by))) || { kind: 'refused' };
        if (outcome.kind === 'refused' || outcome.kind === 'disabled') await recordFailure(outcome.kind, candidate, by);
        return outcome;
      } finally {
        place.release();
      }
    },

    forgetStrangers: (limit) => throttle.forgetStrangers(limit),
  };
}
