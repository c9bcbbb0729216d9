import { Provider } from './engine.ts';

export interface Held {
  refreshToken: string;
  /** Set once the consumption had to go on its own; it rejects when that was lost. */
  sent?: Promise<void>;
}

/**
 * The engine spends a refresh token and stores its successor in two calls, one right after the other and in the same turn of
 * the event loop. Here the first call is held back for the second, so that both are one statement: a crash cannot fall
 * between them, and nobody waits twice. Without a successor in that turn the consumption goes on its own.
 */
export function createRotation(consume: (refreshToken: string) => Promise<void>) {
  const held = new WeakMap<object, Held>();

  return {
    /** Whether it is held back: only in a refresh request of the engine's own. */
    hold(refreshToken: string): boolean {
      const { ctx } = Provider;
      if (ctx?.oidc?.route !== 'token' || ctx.oidc.params?.grant_type !== 'refresh_token') return false;
      const holding: Held = { refreshToken };
      held.set(ctx, holding);
      setImmediate(() => {
        if (held.get(ctx) !== holding) return;
        holding.sent = consume(refreshToken);
        // Whoever stores a successor later hears of it; without one there is nobody to tell.
        holding.sent.catch(() => {});
      });
      return true;
    },

    /** What is held back in this request, for the successor that is stored now. */
    take(): Held | undefined {
      const { ctx } = Provider;
      const holding = ctx && held.get(ctx);
      if (holding) held.delete(ctx);
      return holding;
    },
  };
}
