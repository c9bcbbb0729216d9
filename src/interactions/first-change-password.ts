import type { Context } from 'koa';
import type { SignedIn } from '../accounts/sign-in.ts';
import { auditContextOf } from '../provider/audit-context.ts';
import { pendingOf, seeOther } from './guards.ts';
import type { InvitesAccounts } from './ports.ts';

/** The sign-in counts only once the new password is set: until then nobody is signed in. S-119 */
export async function firstChangePassword(
  ctx: Context,
  oneTimeLinks: InvitesAccounts,
  signedIn: SignedIn,
  /** That goes on afterwards. */
  link?: string,
): Promise<void> {
  const { token } = await oneTimeLinks.createInvitation(signedIn.account.id, auditContextOf(ctx.state), signedIn);
  const goesOn = link === undefined ? '' : `&link=${link}`;
  seeOther(ctx, `/set-password/${token}?interaction=${pendingOf(ctx).uid}${goesOn}`);
}
