import type { Middleware } from 'koa';

export interface PolicyOptions {
  /** Adds `'nonce-…'` for scripts and styles of this one answer. */
  nonce?: string;
  /**
   * Where forms may lead besides ourselves. Browsers also hold redirects after a form against this list, so a page whose form may end
   * at a relying party names its origin; 'anywhere' leaves the directive out.
   */
  formAction?: 'anywhere' | string[];
  /** Further origins, for instance those of a browser application that the playground talks to. */
  connect?: string[];
}

/**
 * What a page may load: our own files only, nothing inline. A route that needs another policy sets the header itself before it
 * answers. The engine adds the hash of its own inline script (form_post) to `script-src` when the directive is there.
 */
export function contentSecurityPolicy({ nonce, formAction = [], connect = [] }: PolicyOptions = {}): string {
  const inline = nonce ? [`'nonce-${nonce}'`] : [];
  const directives = [
    `default-src 'none'`,
    ['script-src', `'self'`, ...inline].join(' '),
    ['style-src', `'self'`, ...inline].join(' '),
    `img-src 'self' data:`,
    `font-src 'self'`,
    ['connect-src', `'self'`, ...connect].join(' '),
    `manifest-src 'self'`,
    `object-src 'none'`,
    `base-uri 'none'`,
    `frame-ancestors 'none'`,
  ];
  if (formAction !== 'anywhere') directives.push(['form-action', `'self'`, ...formAction].join(' '));
  return directives.join('; ');
}

/** Two years, as lists of such hosts ask for. */
export const STRICT_TRANSPORT = 'max-age=63072000';

/** Sets them before anything else runs, so that errors carry them too. S-023, S-024, S-168 */
export function securityHeaders({ issuer }: { issuer: string }): Middleware {
  const headers: [string, string][] = [
    ['Content-Security-Policy', contentSecurityPolicy()],
    ['X-Content-Type-Options', 'nosniff'],
    ['X-Frame-Options', 'DENY'],
    ['Referrer-Policy', 'no-referrer'],
    ['Cross-Origin-Opener-Policy', 'same-origin'],
    ['Cross-Origin-Resource-Policy', 'same-origin'],
    ['Permissions-Policy', 'camera=(), geolocation=(), microphone=(), payment=(), usb=()'],
  ];
  if (issuer.startsWith('https:')) headers.push(['Strict-Transport-Security', STRICT_TRANSPORT]);
  return function securityHeaders(ctx, next) {
    for (const [name, value] of headers) ctx.res.setHeader(name, value);
    return next();
  };
}
