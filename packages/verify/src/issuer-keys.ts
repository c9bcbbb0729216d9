import type { Algorithm } from './algorithms.ts';
import { UnavailableError } from './errors.ts';
import { type Fetch, fetchJson } from './fetch-json.ts';
import { discover } from './issuer-metadata.ts';
import { importKeySet, type KeySet } from './key-set.ts';
import type { VerificationKey } from './signature.ts';

export interface IssuerKeysOptions {
  readonly issuer: string;
  readonly algorithms: ReadonlySet<Algorithm>;
  /** Skips discovery. */
  readonly jwksUri: string | undefined;
  /** Seconds between two attempts to fetch, whatever tokens arrive. */
  readonly cooldown: number;
  /** Seconds for which old keys stay good while the provider cannot be reached. */
  readonly maxStale: number;
  readonly allowHttp: boolean;
  readonly fetch: Fetch;
  /** Milliseconds, as Date.now. */
  readonly now: () => number;
}

/** When the issuer does not say how long its keys are fresh. */
const DEFAULT_MAX_AGE = 300;
const LONGEST_MAX_AGE = 86_400;

/**
 * The issuer's public keys, in memory. A token costs no request; the issuer is asked again when
 *
 * - the set has grown old: in the background, the old keys serving meanwhile (a set as old again as that, as after an
 *   idle night, is awaited once, so that a key withdrawn long ago does not let anybody in)
 * - a token names an unknown key, which is how a rotation shows: at most one fetch at a time, at most one per cool-down,
 *   however many such tokens arrive
 *
 * and while it does not answer, the last good keys are used. There is no timer, so there is nothing to close.
 */
export class IssuerKeys {
  readonly #options: IssuerKeysOptions;
  #keys: KeySet | undefined;
  #jwksUri: string | undefined;
  #fetchedAt = Number.NEGATIVE_INFINITY;
  #maxAge = DEFAULT_MAX_AGE;
  #attemptedAt = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #lastError: unknown;
  #inFlight: Promise<void> | undefined;

  constructor(options: IssuerKeysOptions) {
    this.#options = options;
    this.#jwksUri = options.jwksUri;
  }

  /** The key, when the set is fresh and has it: the path of nearly every token, and without a promise. */
  find(kid: string, alg: Algorithm): VerificationKey | undefined {
    return this.#isFresh() ? this.#keys?.get(kid)?.get(alg) : undefined;
  }

  /**
   * The key, after asking the issuer if need be; `undefined` when it has no such key.
   *
   * @throws UnavailableError when there are no keys to judge by
   */
  async resolve(kid: string, alg: Algorithm): Promise<VerificationKey | undefined> {
    if (!this.#isUsable()) await this.load();
    else if (!this.#isFresh()) await this.#revalidate();
    // a known kid under another algorithm is a forgery, not a rotation: nothing to ask for
    if (!this.#keys?.has(kid) && this.#mayAttempt()) await this.#refresh();
    return this.#keys?.get(kid)?.get(alg);
  }

  /** Has the keys before the first token needs them. @throws UnavailableError */
  async load(): Promise<void> {
    if (!this.#isUsable() && this.#mayAttempt()) await this.#refresh();
    if (!this.#isUsable()) {
      const wait = (this.#attemptedAt - this.#options.now()) / 1000 + this.#pause();
      const message = `The keys of ${this.#options.issuer} cannot be fetched.`;
      throw new UnavailableError('ERR_KEYS_UNAVAILABLE', message, wait, this.#lastError);
    }
  }

  async #revalidate(): Promise<void> {
    if (!this.#mayAttempt()) return;
    const refresh = this.#refresh();
    if (this.#failures === 0 && this.#age() > 2 * this.#maxAge) await refresh;
  }

  /** One fetch in flight, shared by all who wait. Never rejects: what failed shows in the state. */
  #refresh(): Promise<void> {
    this.#inFlight ??= this.#fetch().finally(() => {
      this.#inFlight = undefined;
    });
    return this.#inFlight;
  }

  async #fetch(): Promise<void> {
    const { algorithms, cooldown, fetch, now } = this.#options;
    this.#attemptedAt = now();
    try {
      this.#jwksUri ??= await discover('jwks_uri', this.#options);
      const { document, maxAge = DEFAULT_MAX_AGE } = await fetchJson(this.#jwksUri, fetch);
      this.#keys = await importKeySet(document, algorithms);
      this.#fetchedAt = now();
      this.#maxAge = Math.min(Math.max(maxAge, cooldown, 1), LONGEST_MAX_AGE);
      this.#failures = 0;
    } catch (error) {
      this.#failures++;
      this.#lastError = error;
      this.#jwksUri = this.#options.jwksUri; // it may have moved: discover it anew next time
    }
  }

  /** A fetch in flight may always be joined. */
  #mayAttempt(): boolean {
    return this.#inFlight !== undefined || Math.abs(this.#options.now() - this.#attemptedAt) >= this.#pause() * 1000;
  }

  /** Without any keys nobody gets in, so the first failures are retried sooner: 1 s, 2 s, 4 s … up to the cool-down. */
  #pause(): number {
    const { cooldown } = this.#options;
    return this.#isUsable() ? cooldown : Math.min(cooldown, 2 ** (this.#failures - 1));
  }

  #age(): number {
    return Math.abs(this.#options.now() - this.#fetchedAt) / 1000; // absolute: a clock set back must not freeze the set
  }

  #isFresh(): boolean {
    return this.#age() < this.#maxAge;
  }

  #isUsable(): boolean {
    return this.#keys !== undefined && this.#age() < this.#maxAge + this.#options.maxStale;
  }
}
