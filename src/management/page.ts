import type { Context } from 'koa';
import * as z from 'zod';
import { cursorOf, idOfCursor } from './cursor.ts';

const MOST = 100;
const USUAL = 50;

const limit = z
  .string()
  .regex(/^[1-9]\d{0,2}$/, `must be a number from 1 to ${MOST}`)
  .refine((text) => Number(text) <= MOST, `must be a number from 1 to ${MOST}`)
  .optional()
  .meta({ description: `How many at most, from 1 to ${MOST}; ${USUAL} unless told.` });
const cursor = z.string().max(100).optional().meta({ description: '`nextCursor` of the page before.' });

/** What every list can be asked. */
export const pageQuery = z.strictObject({ limit, cursor });

/** @throws AppError bad_request */
export function pageOf(query: z.output<typeof pageQuery>): { limit: number; after?: string } {
  return {
    limit: query.limit === undefined ? USUAL : Number(query.limit),
    ...(query.cursor !== undefined && { after: idOfCursor(query.cursor) }),
  };
}

export function pageSchema<Item extends z.ZodType>(item: Item) {
  return z.strictObject({ items: z.array(item), nextCursor: z.string().optional() });
}

/** The body of a page; where the next one is also stands in `Link` (RFC 8288). */
export function pageAnswer<Item>(ctx: Context, items: Item[], next: string | undefined) {
  if (next === undefined) return { items };
  const nextCursor = cursorOf(next);
  const query = new URLSearchParams(ctx.querystring);
  query.set('cursor', nextCursor);
  ctx.set('Link', `<${ctx.path}?${query}>; rel="next"`);
  return { items, nextCursor };
}
