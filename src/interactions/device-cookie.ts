import type { Context } from 'koa';

const YEAR = 365 * 24 * 60 * 60 * 1000;
const TOKEN = /^[\w.-]{16,256}$/;

export interface DeviceCookie {
  read(ctx: Context): string | undefined;
  write(ctx: Context, token: string): void;
}

/** Tells a browser that signed in before from a stranger's, so that a stranger's failures do not lock its owner out. S-131 */
export function createDeviceCookie({ secure }: { secure: boolean }): DeviceCookie {
  // A path rules out `__Host-`; sent with sign-ins only, it is not worth more exposure.
  const name = secure ? '__Secure-daemun_device' : 'daemun_device';
  return {
    read(ctx) {
      const token = ctx.cookies.get(name, { signed: false });
      return token !== undefined && TOKEN.test(token) ? token : undefined;
    },
    write(ctx, token) {
      ctx.cookies.secure = secure;
      ctx.cookies.set(name, token, {
        signed: false,
        httpOnly: true,
        sameSite: 'lax',
        secure,
        path: '/interaction',
        maxAge: YEAR,
        overwrite: true,
      });
    },
  };
}
