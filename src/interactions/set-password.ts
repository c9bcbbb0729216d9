import type { Context } from 'koa';
import type { Account } from '../accounts/account.ts';
import { linkSpent } from '../platform/errors.ts';
import type { Csrf } from '../platform/http/csrf.ts';
import { auditContextOf } from '../provider/audit-context.ts';
import { fieldProblem } from './form-problems.ts';
import { formOf, interactionPath } from './guards.ts';
import { loginPersonView, personView } from './person-view.ts';
import type { OpensLinks } from './ports.ts';
import type { Screens } from './screens.ts';
import { linkPath } from './upstream-paths.ts';
import type { SetPasswordView } from './views.ts';

interface SetPasswordOptions {
  screens: Screens;
  oneTimeLinks: Pick<OpensLinks, 'find' | 'completeSetPassword'>;
  csrf: Csrf;
  minimumPasswordLength: number;
}

const INTERACTION = /^[\w-]{43}$/;
const LINK = /^[\w-]{1,64}$/;

/** Looking at the page spends nothing: mail scanners open links too. */
export function createSetPassword({ screens, oneTimeLinks, csrf, minimumPasswordLength }: SetPasswordOptions) {
  async function invited(ctx: Context): Promise<Account> {
    const link = await oneTimeLinks.find(ctx.params.token);
    if (link?.purpose !== 'set_password' || !link.account) throw linkSpent();
    return link.account;
  }

  function show(ctx: Context, account: Account, rest: Pick<SetPasswordView, 'problems' | 'done'> = {}): void {
    const { interaction, link } = interrupted(ctx);
    const query = new URLSearchParams({ ...(interaction && { interaction }), ...(link && { link }) });
    const path = `/set-password/${ctx.params.token}${query.size ? `?${query}` : ''}`;
    const view = {
      action: path,
      csrf: csrf.token(ctx),
      account: loginPersonView(account) ?? { ...personView(account), loginName: '' },
      required: interaction !== undefined,
      minimumLength: minimumPasswordLength,
      ...rest,
    };
    screens.show(ctx, 'set-password', view, { status: rest.problems ? 422 : 200, path: rest.done ? '/' : path });
  }

  return {
    async show(ctx: Context): Promise<void> {
      show(ctx, await invited(ctx));
    },

    async submit(ctx: Context): Promise<void> {
      const account = await invited(ctx);
      const { password = '' } = formOf(ctx);
      const outcome = await oneTimeLinks.completeSetPassword(ctx.params.token, { password }, auditContextOf(ctx.state));
      if (outcome.kind === 'spent') throw linkSpent();
      if (outcome.kind === 'refused') {
        return show(ctx, account, { problems: { fields: fieldProblem(outcome, { minimumPasswordLength }) } });
      }
      const { interaction, link } = interrupted(ctx);
      const goesOnAt = interaction && (link ? linkPath(interaction, link) : interactionPath(interaction));
      show(ctx, account, { done: goesOnAt ? { continueUrl: goesOnAt } : {} });
    },
  };
}

/** The sign-in that asked for a new password, and the link that it was to complete, to go on with. */
function interrupted({ query }: Context): { interaction?: string; link?: string } {
  const { interaction, link } = query;
  if (typeof interaction !== 'string' || !INTERACTION.test(interaction)) return {};
  return { interaction, ...(typeof link === 'string' && LINK.test(link) && { link }) };
}
