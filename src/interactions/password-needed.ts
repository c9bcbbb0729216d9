import type { Context } from 'koa';
import type { Message } from '../platform/http/messages.ts';
import { ANYBODY } from './bound-person.ts';
import { interactionPath, pendingOf, seeOther } from './guards.ts';
import type { SignsInElsewhere } from './ports.ts';
import { wantsProofOfNow } from './upstream-offer.ts';

/** Which provider the person came back from. A stranger who writes such an address changes a sentence on a page. */
const TRIED = 'tried';

/** Back to the sign-in page, which then says why another's word was not enough. S-016 */
export function toPasswordNeeded(ctx: Context, provider: string, { anybody }: { anybody: boolean }): void {
  seeOther(ctx, `${interactionPath(pendingOf(ctx).uid)}${anybody ? `${ANYBODY}&` : '?'}${TRIED}=${provider}`);
}

export interface Tried {
  provider: string;
  notice: Message;
}

/** What was tried and could not prove that somebody is present. */
export function triedUpstream(ctx: Context, upstreams: Pick<SignsInElsewhere, 'find'>): Tried | undefined {
  const pending = pendingOf(ctx);
  const { [TRIED]: name } = ctx.query;
  const upstream = typeof name === 'string' && wantsProofOfNow(pending) ? upstreams.find(name) : undefined;
  if (!upstream) return undefined;
  const args = { client: pending.client.name, provider: upstream.displayName };
  return { provider: upstream.provider, notice: { key: 'login.prove', args } };
}
