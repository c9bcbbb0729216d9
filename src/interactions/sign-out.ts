import type { Context } from 'koa';
import type { ProtocolScreens } from '../provider/identity-provider.ts';
import { personView } from './person-view.ts';
import type { FindsAccounts } from './ports.ts';
import type { Screens } from './screens.ts';

interface SignOutOptions {
  screens: Screens;
  accounts: FindsAccounts;
}

/** The id that the engine gives its hidden form. */
const FORM_ID = 'op.logoutForm';

export function createSignOut({ screens, accounts }: SignOutOptions): Pick<ProtocolScreens, 'signOut' | 'signedOut'> {
  return {
    async signOut(ctx: Context, { form, client, accountId }) {
      const account = accountId === undefined ? undefined : await accounts.find(accountId);
      screens.show(
        ctx,
        'sign-out',
        { form, formId: FORM_ID, ...(client && { client }), ...(account && { account: personView(account) }) },
        // The answer may lead on to the application that asked.
        { formAction: 'anywhere' },
      );
    },
    signedOut(ctx: Context, { client }) {
      screens.show(ctx, 'signed-out', {
        ...(client && { client: { name: client.name, ...(client.clientUri && { homeUrl: client.clientUri }) } }),
      });
    },
  };
}
