import type { Client } from './engine.ts';

/** Milliseconds. */
const COOL_DOWN = 10_000;
const KEPT = 5 * 60_000;
const KEPT_WITHOUT_NEWS = 60 * 60_000;

/** What the engine keeps a client's keys in. Its types leave it out; the tests of this file notice when it changes. */
interface KeyStore {
  selectForVerify(wanted: object): unknown[];
  /** The engine asks when no key fitted: is it no use to read again? */
  fresh(): boolean;
  refresh(): Promise<void>;
}

const watched = new WeakSet<KeyStore>();

/**
 * Decides when the keys that a client publishes (`jwks_uri`) are read again. The engine by itself does not ask for a key it does
 * not know until the last answer is a minute old, or as old as its Cache-Control allows, and a key that was taken back works until
 * somebody presents a new one. Here a new key works at once, except that strangers cannot make us ask more often than every ten
 * seconds, and one that was taken back ends within five minutes. A client whose server is down is known by its last keys for an hour.
 * @see OpenID Connect Core 10.1.1 (rotation of signing keys)
 */
export function watchPublishedKeys(client: Client): void {
  if (client.jwksUri === undefined) return;
  const { asymmetricKeyStore: store } = client as unknown as { asymmetricKeyStore: KeyStore };
  if (watched.has(store)) return;
  watched.add(store);
  const select = store.selectForVerify.bind(store);
  const read = store.refresh.bind(store);
  let readAt = Number.NEGATIVE_INFINITY;
  let triedAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;

  const isWithin = (length: number, since: number) => Math.abs(Date.now() - since) < length;

  store.fresh = () => isWithin(COOL_DOWN, triedAt);
  store.selectForVerify = (wanted) => {
    const isUsable = isWithin(KEPT, readAt) || (store.fresh() && isWithin(KEPT_WITHOUT_NEWS, readAt));
    return isUsable ? select(wanted) : [];
  };
  store.refresh = () => {
    reading ??= readAgain();
    return reading;
  };

  async function readAgain(): Promise<void> {
    try {
      await read();
      readAt = Date.now();
    } catch (failure) {
      if (!isWithin(KEPT_WITHOUT_NEWS, readAt)) throw failure;
    } finally {
      triedAt = Date.now();
      reading = undefined;
    }
  }
}
