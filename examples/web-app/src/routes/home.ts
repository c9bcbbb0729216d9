import type Router from '@koa/router';
import type { WebState } from '../session-cookie.ts';
import { homePage } from '../views/home-page.ts';

export function addHomeRoutes(router: Router<WebState>): void {
  router.get('/', (ctx) => {
    // how the provider sends the browser back after sign-out
    const signedOut = ctx.query.state === 'signed-out' && ctx.state.session?.person === undefined;
    ctx.type = 'html';
    ctx.body = homePage(ctx.state.session, signedOut);
  });
}
