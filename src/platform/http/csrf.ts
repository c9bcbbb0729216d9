import { createHmac, createSecretKey, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Context } from 'koa';
import { crossSiteRequest } from '../errors.ts';
import type { Form } from './form.ts';

export const CSRF_FIELD = 'csrf';
const BROWSER_ID = /^[\w-]{43}$/;

export interface Csrf {
  /** The value for the hidden field `csrf` of a form; gives the browser its cookie when it has none. */
  token(ctx: Context): string;
  /** @throws AppError cross_site_request */
  check(ctx: Context, form: Form): void;
}

/**
 * A form is ours when the browser says so (`Sec-Fetch-Site`, `Origin`) and when it carries the HMAC of a random cookie that only
 * this browser has. S-155, S-170
 */
export function createCsrf({ key, issuer }: { key: Buffer; issuer: string }): Csrf {
  const keyObject = createSecretKey(key);
  const { origin, protocol } = new URL(issuer);
  const secure = protocol === 'https:';
  const cookieName = secure ? '__Host-daemun_browser' : 'daemun_browser';

  function tokenOf(browserId: string): Buffer {
    return createHmac('sha256', keyObject).update(`csrf:${browserId}`).digest();
  }

  function browserIdOf(ctx: Context): string | undefined {
    const value = ctx.cookies.get(cookieName, { signed: false });
    return value !== undefined && BROWSER_ID.test(value) ? value : undefined;
  }

  return {
    token(ctx) {
      const known = browserIdOf(ctx) ?? (ctx.state.csrfBrowserId as string | undefined);
      if (known) return tokenOf(known).toString('base64url');
      const browserId = randomBytes(32).toString('base64url');
      ctx.state.csrfBrowserId = browserId;
      ctx.cookies.secure = secure;
      ctx.cookies.set(cookieName, browserId, { signed: false, httpOnly: true, sameSite: 'lax', secure, path: '/' });
      return tokenOf(browserId).toString('base64url');
    },
    check(ctx, form) {
      checkOrigin(ctx, origin);
      const browserId = browserIdOf(ctx);
      if (!browserId) throw crossSiteRequest('the browser sent no cookie');
      const expected = tokenOf(browserId);
      const given = Buffer.from(form[CSRF_FIELD] ?? '', 'base64url');
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
        throw crossSiteRequest('the token belongs to another browser');
      }
    },
  };
}

/**
 * `Sec-Fetch-Site` cannot be forged by a page. `Origin` is `null` on our own forms, because our pages send no referrer
 * (Fetch standard, "append a request Origin header"), so `null` says nothing and the token decides.
 */
function checkOrigin(ctx: Context, origin: string): void {
  const site = ctx.get('Sec-Fetch-Site');
  if (site && site !== 'same-origin') throw crossSiteRequest(`Sec-Fetch-Site is ${site}`);
  const given = ctx.get('Origin');
  if (given && given !== 'null' && given !== origin) throw crossSiteRequest(`Origin is ${given}`);
}
