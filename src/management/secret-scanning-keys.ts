import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import * as z from 'zod';
import { jsonOf, type Outbound } from '../platform/http/outbound.ts';
import type { Logger } from '../platform/logger.ts';

/** Milliseconds: how long keys are used without asking again, how often is asked at most, and how old they may become. */
const FRESH = 60 * 60_000;
const PATIENCE = 60_000;
const OLDEST = 24 * 60 * 60_000;
const IDENTIFIER = /^[\w.:-]{1,200}$/;

export interface SecretScanningKeys {
  /** The partner's key of this name; undefined when there is none, or they cannot be got. */
  find(identifier: string): Promise<KeyObject | undefined>;
}

export interface SecretScanningKeysOptions {
  url: string;
  fetch: Outbound;
  logger: Pick<Logger, 'warn'>;
  /** Milliseconds of a clock that never goes back. */
  now?: () => number;
}

/** @see https://docs.github.com/code-security/secret-scanning/secret-scanning-partner-program */
const documentSchema = z.object({
  public_keys: z.array(z.object({ key_identifier: z.string(), key: z.string().max(2_000) })).max(100),
});

/**
 * The partner's public keys, got when they are needed. A name that is not known is looked for once a minute at most, whoever asks: a
 * stranger makes us ask the partner no more often.
 */
export function createSecretScanningKeys({
  url,
  fetch,
  logger,
  now = () => performance.now(),
}: SecretScanningKeysOptions): SecretScanningKeys {
  let known: { keys: Map<string, KeyObject>; readAt: number } | undefined;
  let askedAt: number | undefined;
  let asking: Promise<void> | undefined;

  async function ask(): Promise<void> {
    askedAt = now();
    try {
      const answer = await fetch(url, { headers: { Accept: 'application/json', 'User-Agent': 'daemun' } });
      const { public_keys } = documentSchema.parse(jsonOf(answer));
      const keys = new Map<string, KeyObject>();
      for (const { key_identifier, key } of public_keys) {
        const usable = p256Key(key);
        if (usable) keys.set(key_identifier, usable);
      }
      known = { keys, readAt: now() };
    } catch (error) {
      logger.warn({ error }, 'the keys of the secret scanning partner could not be got');
    }
  }

  function refresh(): Promise<void> {
    if (askedAt !== undefined && now() - askedAt < PATIENCE) return asking ?? Promise.resolve();
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    return asking;
  }

  return {
    async find(identifier) {
      if (!IDENTIFIER.test(identifier)) return undefined;
      if (!known || now() - known.readAt > FRESH || !known.keys.has(identifier)) await refresh();
      if (!known || now() - known.readAt > OLDEST) return undefined;
      return known.keys.get(identifier);
    },
  };
}

/** ECDSA on P-256 with SHA-256, in base64 of its DER form. */
export function isSignedBy(key: KeyObject, body: Buffer, signature: string): boolean {
  if (!/^[A-Za-z0-9+/]{40,200}={0,2}$/.test(signature)) return false;
  return verify('sha256', body, key, Buffer.from(signature, 'base64'));
}

function p256Key(pem: string): KeyObject | undefined {
  try {
    const key = createPublicKey(pem);
    const isP256 = key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
    return isP256 ? key : undefined;
  } catch {
    return undefined;
  }
}
