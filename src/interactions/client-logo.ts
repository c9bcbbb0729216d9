import type { Context } from 'koa';
import { pendingOf } from './guards.ts';

export interface Picture {
  type: string;
  body: Buffer;
}

/** Fetches a picture from the internet, or not: too large, no picture, not reachable, not allowed. */
export type FetchPicture = (url: string) => Promise<Picture | undefined>;

const KEPT = 200;
const HOUR = 60 * 60 * 1000;
const MINUTE = 60 * 1000;

/**
 * Logos of applications, passed through us, so that no page of ours tells another host who is signing in where. Only the logo of the
 * application in this browser's own interaction can be asked for. S-023
 */
export function createClientLogo({ fetchPicture }: { fetchPicture: FetchPicture }) {
  const kept = new Map<string, { until: number; picture: Promise<Picture | undefined> }>();

  function find(url: string): Promise<Picture | undefined> {
    const known = kept.get(url);
    if (known && known.until > Date.now()) return known.picture;
    const entry = { until: Date.now() + HOUR, picture: fetchPicture(url).catch(() => undefined) };
    kept.delete(url);
    kept.set(url, entry);
    if (kept.size > KEPT) kept.delete(kept.keys().next().value!);
    void entry.picture.then((picture) => {
      if (!picture) entry.until = Date.now() + MINUTE;
    });
    return entry.picture;
  }

  return {
    async show(ctx: Context): Promise<void> {
      const { logoUri } = pendingOf(ctx).client;
      const picture = logoUri ? await find(logoUri) : undefined;
      if (!picture) return;
      ctx.set('Cache-Control', 'private, max-age=3600');
      // Opened by itself an SVG is a document, and this one is a stranger's.
      ctx.set('Content-Security-Policy', "default-src 'none'; style-src 'unsafe-inline'; sandbox");
      ctx.type = picture.type;
      ctx.body = picture.body;
    },
  };
}
