import type { Context } from 'koa';
import { interactionPath } from './guards.ts';

/** Longer than an interaction waits. */
const LIFETIME = 24 * 60 * 60 * 1000;

/** Who may come back: the person that the page was for, or whoever it is. */
export type Visitor = 'bound' | 'anybody';

/** That this browser has left for an upstream during this interaction. */
export interface UpstreamVisits {
  read(ctx: Context): Visitor | undefined;
  write(ctx: Context, uid: string, visitor: Visitor): void;
}

/**
 * A cookie of one interaction. It protects nothing, whoever has the browser may press the same buttons again: it spares people a
 * second trip to a provider that they just came back from, and remembers that they asked to be somebody else.
 */
export function createUpstreamVisits({ secure }: { secure: boolean }): UpstreamVisits {
  const name = secure ? '__Secure-daemun_upstream' : 'daemun_upstream';
  return {
    read(ctx) {
      const value = ctx.cookies.get(name, { signed: false });
      return value === 'bound' || value === 'anybody' ? value : undefined;
    },
    write(ctx, uid, visitor) {
      ctx.cookies.secure = secure;
      ctx.cookies.set(name, visitor, {
        signed: false,
        httpOnly: true,
        sameSite: 'lax',
        secure,
        path: interactionPath(uid),
        maxAge: LIFETIME,
        overwrite: true,
      });
    },
  };
}
