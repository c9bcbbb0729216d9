import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { Middleware } from 'koa';

const TYPES: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.webp': 'image/webp',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
};

export interface Asset {
  name: string;
  type: string;
  body: Buffer;
  hash: string;
}

export interface Assets {
  /** The address that may be cached for ever; a plain one for a file that is not there. */
  url(name: string): string;
  find(file: string): { asset: Asset; immutable: boolean } | undefined;
}

const HASHED = /^(.+)\.([0-9a-f]{16})(\.[a-z0-9]+)$/;

/**
 * Everything that screens load, read once: a request can only ask for a name in this list, never for a path. A file in a later folder
 * replaces the one of the same name in an earlier one.
 */
export function loadAssets({
  folders,
  generated = {},
}: {
  folders: string[];
  generated?: Record<string, string>;
}): Assets {
  const assets = new Map<string, Asset>();
  const add = (name: string, body: Buffer) => {
    const type = TYPES[extname(name)];
    if (type)
      assets.set(name, { name, type, body, hash: createHash('sha256').update(body).digest('hex').slice(0, 16) });
  };
  for (const folder of folders.filter((path) => existsSync(path))) {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (!entry.isDirectory()) add(entry.name, readFileSync(join(folder, entry.name)));
    }
  }
  for (const [name, text] of Object.entries(generated)) add(name, Buffer.from(text));

  return {
    url(name) {
      const asset = assets.get(name);
      if (!asset) return `/assets/${encodeURIComponent(name)}`;
      const extension = extname(name);
      return `/assets/${name.slice(0, -extension.length)}.${asset.hash}${extension}`;
    },
    find(file) {
      const plain = assets.get(file);
      if (plain) return { asset: plain, immutable: false };
      const [, stem, hash, extension] = HASHED.exec(file) ?? [];
      const asset = assets.get(`${stem}${extension}`);
      // During a rolling update a page of the other version may ask here: better today's file, uncached, than none.
      return asset && { asset, immutable: asset.hash === hash };
    },
  };
}

/** GET /assets/:file */
export function serveAsset(assets: Assets, exists: (name: string) => boolean = () => true): Middleware {
  return function serveAsset(ctx) {
    const found = assets.find(ctx.params.file);
    if (!found || !exists(found.asset.name)) return;
    const { asset, immutable } = found;
    ctx.set('Cache-Control', immutable ? 'public, max-age=31536000, immutable' : 'public, no-cache');
    // An SVG opened by itself is a document: it gets no rights at all.
    ctx.set('Content-Security-Policy', "default-src 'none'; style-src 'unsafe-inline'; sandbox");
    ctx.etag = asset.hash;
    ctx.status = 200;
    if (ctx.fresh) {
      ctx.status = 304;
      return;
    }
    ctx.type = asset.type;
    ctx.body = asset.body;
  };
}
