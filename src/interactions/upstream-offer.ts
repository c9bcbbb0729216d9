import type { Context } from 'koa';
import { FEDERATED } from '../provider/assurance.ts';
import type { PendingInteraction } from '../provider/identity-provider.ts';
import type { NamedUpstream } from '../upstreams/sign-ins.ts';
import { findBoundPerson, wantsOther } from './bound-person.ts';
import { pendingOf } from './guards.ts';
import type { FindsAccounts, KnowsPasswords, SignsInElsewhere } from './ports.ts';

/** The enabled providers that can end this sign-in, in the operator's order. */
export type UpstreamOffer = (ctx: Context) => Promise<NamedUpstream[]>;

interface UpstreamOfferOptions {
  upstreams: Pick<SignsInElsewhere, 'list'>;
  accounts: FindsAccounts & KnowsPasswords;
}

export function createUpstreamOffer({ upstreams, accounts }: UpstreamOfferOptions): UpstreamOffer {
  /** Of whom it is known already that another's word will not do. S-016 */
  async function needsPassword(ctx: Context): Promise<boolean> {
    const pending = pendingOf(ctx);
    if (!wantsProofOfNow(pending) || wantsOther(ctx)) return false;
    const accountId = (await findBoundPerson(accounts, pending))?.id ?? pending.params.hintedAccountId;
    return accountId !== undefined && accounts.hasPassword(accountId);
  }

  return async function upstreamOffer(ctx) {
    if (!mayFederate(pendingOf(ctx))) return [];
    const enabled = await upstreams.list();
    return (await needsPassword(ctx)) ? enabled.filter(({ saysWhen }) => saysWhen) : enabled;
  };
}

/** The application says how old the sign-in may be at most. S-016, S-164 */
export function wantsProofOfNow({ params: { freshSignIn, maxAge } }: PendingInteraction): boolean {
  return freshSignIn || maxAge !== undefined;
}

/** An application that insists on more than another's word would refuse whoever comes in by it. */
function mayFederate({ params: { essentialAcrs } }: PendingInteraction): boolean {
  return !essentialAcrs || essentialAcrs.includes(FEDERATED);
}
