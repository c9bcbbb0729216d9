import { createHash } from 'node:crypto';
import type { Context } from 'koa';

/**
 * The engine's own pages submit themselves: `form_post` to a relying party, and a sign-out to us. Their one inline script is
 * allowed by its hash. `form-action` is left out because browsers also hold whatever redirect answers the form against it, and
 * where a relying party sends people next is not ours to know. Without script a button is shown.
 * @see OAuth 2.0 Form Post Response Mode
 */
export function allowSelfSubmission(ctx: Context, page: unknown): void {
  if (typeof page !== 'string' || !page.includes('<form method="post"')) return;
  const script = /<script>([\s\S]*?)<\/script>/.exec(page)?.[1];
  if (script === undefined) return;
  const hash = createHash('sha256').update(script).digest('base64');
  ctx.set(
    'Content-Security-Policy',
    `default-src 'none'; script-src 'sha256-${hash}'; base-uri 'none'; frame-ancestors 'none'`,
  );
}
