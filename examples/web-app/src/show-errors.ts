import { AppError, isAppError } from './app-error.ts';
import type { WebMiddleware } from './session-cookie.ts';
import { errorPage } from './views/error-page.ts';

/** Every error ends on a page that says what happened and where to go. What went wrong inside is for the log. */
export const showErrors: WebMiddleware = async (ctx, next) => {
  try {
    await next();
  } catch (error) {
    const shown = isAppError(error) ? error : unforeseen();
    if (shown.status >= 500) ctx.app.emit('error', error, ctx);
    ctx.status = shown.status;
    ctx.set(shown.headers);
    ctx.type = 'html';
    ctx.body = errorPage(ctx.state.session, shown);
  }
};

function unforeseen(): AppError {
  return new AppError(500, 'Something went wrong', 'It is our fault, not yours. Try again in a little while.');
}
