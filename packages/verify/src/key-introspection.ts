import { createHash } from 'node:crypto';
import { type Caller, readKeyCaller } from './caller.ts';
import { UnavailableError } from './errors.ts';
import { type Fetch, fetchJson } from './fetch-json.ts';
import { discover } from './issuer-metadata.ts';
import type { JsonObject } from './json.ts';

export interface KeyIntrospectionOptions {
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly clientId: string;
  readonly clientSecret: string;
  /** Skips discovery. */
  readonly endpoint: string | undefined;
  readonly allowHttp: boolean;
  readonly fetch: Fetch;
  /** Milliseconds, as Date.now. */
  readonly now: () => number;
}

/** Milliseconds since it was asked for that an answer counts. The provider itself takes at most as long again to notice a revocation. */
const MAX_AGE = 500;
const MOST_ANSWERS = 10_000;
/** Strangers can make up keys that look right: they shall not open any number of connections. */
const MOST_QUESTIONS = 256;

interface Asked {
  readonly at: number;
  /** `undefined`: not active, for whatever reason. */
  readonly answer: Promise<Caller | undefined>;
}

/**
 * Asks the provider about API keys (RFC 7662). Answers, good and bad, are kept for half a second, so that a busy key costs
 * two questions a second and a revoked one is refused within a second; questions about the same key at the same moment
 * are one. Keys themselves are not kept, only their digests.
 */
export class KeyIntrospection {
  readonly #options: KeyIntrospectionOptions;
  readonly #authorization: string;
  /** In the order in which they were asked. */
  readonly #asked = new Map<string, Asked>();
  #endpoint: Promise<string> | undefined;
  #underWay = 0;

  constructor(options: KeyIntrospectionOptions) {
    this.#options = options;
    const { clientId, clientSecret } = options;
    // RFC 6749 section 2.3.1: form-encoded before they are joined
    const pair = `${formEncoded(clientId)}:${formEncoded(clientSecret)}`;
    this.#authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
  }

  /**
   * Whose the key is and what it may here; `undefined` when it is not active.
   *
   * @param address where the key came from, for keys that may be used from some addresses only
   * @throws UnavailableError
   */
  ask(key: string, address: string | undefined): Promise<Caller | undefined> {
    const id = createHash('sha256')
      .update(`${address ?? ''}\n${key}`)
      .digest('base64');
    const now = this.#options.now();
    this.#forgetOld(now);
    const known = this.#asked.get(id);
    if (known) return known.answer;
    if (this.#underWay >= MOST_QUESTIONS) return Promise.reject(unavailable('Too many API keys are being looked up.'));
    const answer = this.#introspect(key, address);
    this.#asked.set(id, { at: now, answer });
    return answer;
  }

  /** Has the endpoint before the first key needs it. @throws UnavailableError */
  async load(): Promise<void> {
    try {
      await this.#findEndpoint();
    } catch (error) {
      throw unavailable('The introspection endpoint cannot be found.', error);
    }
  }

  async #introspect(key: string, address: string | undefined): Promise<Caller | undefined> {
    const { issuer, audience, fetch } = this.#options;
    const form = new URLSearchParams({ token: key, ...(address !== undefined && { address }) });
    for (const resource of audience) form.append('resource', resource);
    const headers = { 'content-type': 'application/x-www-form-urlencoded', authorization: this.#authorization };
    this.#underWay++;
    try {
      const { document } = await fetchJson(await this.#findEndpoint(), fetch, { headers, form });
      const answer = (document ?? {}) as JsonObject;
      if (answer.active === false) return undefined;
      if (answer.active !== true || answer.iss !== issuer)
        throw new Error('the answer is not about a key of the issuer');
      return readKeyCaller(answer);
    } catch (error) {
      this.#endpoint = undefined; // it may have moved: discover it anew next time
      throw unavailable('API keys cannot be checked at the moment.', error);
    } finally {
      this.#underWay--;
    }
  }

  #findEndpoint(): Promise<string> {
    const { endpoint } = this.#options;
    const finding = this.#endpoint ?? (endpoint ? Promise.resolve(endpoint) : this.#discover());
    this.#endpoint = finding;
    return finding;
  }

  #discover(): Promise<string> {
    const finding = discover('introspection_endpoint', this.#options);
    finding.catch(() => {
      if (this.#endpoint === finding) this.#endpoint = undefined;
    });
    return finding;
  }

  #forgetOld(now: number): void {
    for (const [id, { at }] of this.#asked) {
      // absolute: a clock set back must not keep an answer
      if (Math.abs(now - at) < MAX_AGE && this.#asked.size < MOST_ANSWERS) break;
      this.#asked.delete(id);
    }
  }
}

function unavailable(message: string, cause?: unknown): UnavailableError {
  return new UnavailableError('ERR_INTROSPECTION_UNAVAILABLE', message, 1, cause);
}

function formEncoded(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1);
}
