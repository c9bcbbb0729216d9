import type { Context } from 'koa';
import { createEntrySeal } from '../platform/accelerator/entry-seal.ts';
import { sessionOf } from './own-session.ts';

/** What the page after a redirect says, once. */
export type PartingWords =
  | { kind: 'notice'; notice: 'changed' | 'revoked' | 'ended' | 'rotated' | 'full'; name: string }
  | {
      kind: 'value';
      name: string;
      /** Of a new key: in clear here, and nowhere else. */
      value: string;
      /** ISO 8601. */
      expiresAt?: string;
      before?: { worksUntil?: string };
      /** A resource server that the key is for. */
      resource: string;
    };

export interface Parting {
  say(ctx: Context, words: PartingWords): void;
  /** What was said to this session last, and then no more. */
  hear(ctx: Context, kind: 'notice'): Extract<PartingWords, { kind: 'notice' }> | undefined;
  hear(ctx: Context, kind: 'value'): Extract<PartingWords, { kind: 'value' }> | undefined;
}

/** Milliseconds: a redirect is followed at once. */
const LIFETIME = 60_000;

/**
 * A form is answered with a redirect, so that a reload repeats nothing; what the next page has to say goes with the browser, in a
 * cookie that only we can read, for one session, one page and one minute. So a key's value is stored nowhere on our side.
 */
export function createParting({ secret, secure }: { secret: Buffer; secure: boolean }): Parting {
  const seal = createEntrySeal(secret);
  const nameOf = (kind: PartingWords['kind']) => (secure ? `__Host-daemun_${kind}` : `daemun_${kind}`);
  const attributes = { signed: false, httpOnly: true, sameSite: 'strict', secure, path: '/', overwrite: true } as const;
  const place = (ctx: Context, kind: PartingWords['kind']) => `account ${kind} ${sessionOf(ctx).uid}`;

  return {
    say(ctx, words) {
      ctx.cookies.secure = secure;
      const sealed = seal.seal(place(ctx, words.kind), { readAt: Date.now(), value: [words] });
      ctx.cookies.set(nameOf(words.kind), sealed, { ...attributes, maxAge: LIFETIME });
    },
    hear(ctx: Context, kind: PartingWords['kind']) {
      const sealed = ctx.cookies.get(nameOf(kind), { signed: false });
      if (!sealed) return undefined;
      ctx.cookies.secure = secure;
      ctx.cookies.set(nameOf(kind), '', { ...attributes, maxAge: 0 });
      const opened = seal.open(place(ctx, kind), sealed);
      const isRecent = opened !== undefined && Math.abs(Date.now() - opened.readAt) < LIFETIME;
      // biome-ignore lint/suspicious/noExplicitAny: sealed by us for this very kind
      return isRecent ? (opened.value[0] as any) : undefined;
    },
  };
}
