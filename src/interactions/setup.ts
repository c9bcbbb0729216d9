import type { Context } from 'koa';
import { linkSpent } from '../platform/errors.ts';
import type { Csrf } from '../platform/http/csrf.ts';
import { auditContextOf } from '../provider/audit-context.ts';
import { fieldProblem } from './form-problems.ts';
import { formOf } from './guards.ts';
import type { OpensLinks } from './ports.ts';
import type { Screens } from './screens.ts';
import type { SetupView } from './views.ts';

interface SetupOptions {
  screens: Screens;
  oneTimeLinks: Pick<OpensLinks, 'find' | 'completeSetup'>;
  csrf: Csrf;
  minimumPasswordLength: number;
  playgroundUrl?: string;
}

/** The first administrator, made once by whoever has the link. S-126 */
export function createSetup({ screens, oneTimeLinks, csrf, minimumPasswordLength, playgroundUrl }: SetupOptions) {
  function show(ctx: Context, rest: Pick<SetupView, 'values' | 'problems' | 'done'>, status = 200): void {
    const path = `/setup/${ctx.params.token}`;
    const view = { action: path, csrf: csrf.token(ctx), minimumLength: minimumPasswordLength, ...rest };
    // The link is worth nothing any more when it is done: no way back to it.
    screens.show(ctx, 'setup', view, { status, path: rest.done ? '/' : path });
  }

  async function find(ctx: Context): Promise<void> {
    if ((await oneTimeLinks.find(ctx.params.token))?.purpose !== 'setup') throw linkSpent();
  }

  return {
    async show(ctx: Context): Promise<void> {
      await find(ctx);
      show(ctx, { values: {} });
    },

    async submit(ctx: Context): Promise<void> {
      await find(ctx);
      const { user_name: userName = '', password = '', name, email } = formOf(ctx);
      const values = {
        userName,
        ...(name?.trim() && { name: name.trim() }),
        ...(email?.trim() && { email: email.trim() }),
      };
      const outcome = await oneTimeLinks.completeSetup(
        ctx.params.token,
        { ...values, password },
        auditContextOf(ctx.state),
      );
      if (outcome.kind === 'spent') throw linkSpent();
      if (outcome.kind === 'created') {
        const done = { name: outcome.account.userName ?? userName, ...(playgroundUrl && { playgroundUrl }) };
        return show(ctx, { values: {}, done });
      }
      const problem = outcome.kind === 'conflict' ? { field: outcome.field, reason: 'taken' } : outcome;
      const fields = fieldProblem(problem, { minimumPasswordLength });
      show(ctx, { values, problems: { fields } }, outcome.kind === 'conflict' ? 409 : 422);
    },
  };
}
