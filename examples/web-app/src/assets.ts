import { readFileSync } from 'node:fs';
import type { Middleware } from 'koa';

const FILES = [
  ['styles.css', 'text/css; charset=utf-8'],
  ['live.js', 'text/javascript; charset=utf-8'],
  ['favicon.svg', 'image/svg+xml'],
] as const;

/** The three files of the pages, read once. */
export function assets(): Middleware {
  const known = new Map(
    FILES.map(([name, type]) => [
      `/${name}`,
      { type, content: readFileSync(new URL(`../public/${name}`, import.meta.url)) },
    ]),
  );
  return async (ctx, next) => {
    const file = known.get(ctx.path);
    if (file === undefined || (ctx.method !== 'GET' && ctx.method !== 'HEAD')) return next();
    ctx.set('cache-control', 'public, max-age=300');
    ctx.set('content-type', file.type);
    ctx.body = file.content;
  };
}
