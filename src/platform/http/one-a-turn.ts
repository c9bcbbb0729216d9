import type { Middleware } from 'koa';

/**
 * From here on one request goes on in each turn of the event loop, in the order in which they came: a crowd whose answers need no database
 * would otherwise be answered in one turn, and all else, keys and discovery too, would wait for the whole crowd.
 */
export function oneATurn(): Middleware {
  const waiting: (() => void)[] = [];

  function letOneOn(): void {
    waiting.shift()?.();
    if (waiting.length > 0) setImmediate(letOneOn);
  }

  return async function oneATurn(_ctx, next) {
    await new Promise<void>((resolve) => {
      // Whoever finds somebody here is let on after them.
      if (waiting.push(resolve) === 1) setImmediate(letOneOn);
    });
    return next();
  };
}
