import { timingSafeEqual } from 'node:crypto';
import type { Context } from 'koa';
import { AppError } from './app-error.ts';
import type { BrowserSession } from './browser-sessions.ts';

const MAX_BYTES = 16 * 1024;

/**
 * Reads a form that one of our own pages sent.
 *
 * @throws AppError 403 when it did not come from there, 413 or 415 when it is no form of ours at all
 */
export async function readForm(ctx: Context, session: BrowserSession | undefined): Promise<URLSearchParams> {
  if (!ctx.is('application/x-www-form-urlencoded')) {
    throw new AppError(415, 'That was no form', 'Use the buttons of the page.');
  }
  const form = new URLSearchParams(await readText(ctx));
  const site = ctx.get('sec-fetch-site');
  const tokens = form.getAll('csrf');
  if ((site !== '' && site !== 'same-origin') || tokens.length !== 1 || !isToken(tokens[0] as string, session)) {
    const message =
      'It was sent from another site, or your session has ended meanwhile. Open the page again and repeat it.';
    throw new AppError(403, 'That form was not accepted', message);
  }
  return form;
}

async function readText(ctx: Context): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of ctx.req) {
    size += chunk.length;
    if (size > MAX_BYTES) {
      throw new AppError(413, 'That was too much', 'The form was larger than any of ours.', {
        headers: { connection: 'close' },
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function isToken(given: string, session: BrowserSession | undefined): boolean {
  if (session === undefined) return false;
  const [left, right] = [Buffer.from(given), Buffer.from(session.csrfToken)];
  return left.length === right.length && timingSafeEqual(left, right);
}
