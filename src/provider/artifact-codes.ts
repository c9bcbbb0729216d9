import { Provider } from './engine.ts';

/**
 * The engine stores a code, and right after it the session that the code belongs to. Whoever stores the session waits for both, so that
 * they are due in one turn and become one statement. Sessions are stored by every request that answers with a code: one whose code
 * cannot be stored fails there, before its answer is sent.
 */
export function createCodesUnderWay() {
  const underWay = new WeakMap<object, Promise<void>>();

  return {
    /** Whether somebody will wait for it; otherwise the caller has to. */
    leave(saved: Promise<void>): boolean {
      const { ctx } = Provider;
      if (!ctx?.oidc?.session || underWay.has(ctx)) return false;
      // Heard by whoever waits.
      saved.catch(() => {});
      underWay.set(ctx, saved);
      return true;
    },

    /** @throws what storing the code of this request has thrown */
    settled: async (): Promise<void> => (Provider.ctx ? underWay.get(Provider.ctx) : undefined),
  };
}
