import type { RateLimiter } from '../rate-limits.ts';

type Limit = Pick<RateLimiter, 'take' | 'giveBack'>;

/** Who made a message be sent, as far as that is counted. S-149 */
export interface MailCause {
  /** The account that it is about, by id: one person who changes things again and again. */
  account?: string;
  /** The address block that the request came from. None where an operator did it by command. */
  source?: string;
}

const MAIL_LIMITS = ['recipient', 'account', 'source', 'all'] as const;

/**
 * How much mail goes out. `first`: the first few to a recipient, which the limit of their source does not hold back. Otherwise whoever
 * shares an address with somebody, or changes things of many people from one, could keep their notices back by causing others. S-147
 */
export type MailLimits = Record<(typeof MAIL_LIMITS)[number] | 'first', Limit>;

export type MailDecision =
  | { allowed: true; giveBack(): Promise<void> }
  /** `retryAfter` in seconds. */
  | { allowed: false; retryAfter: number; reason: string };

const REASONS: Record<(typeof MAIL_LIMITS)[number], string> = {
  recipient: 'too many messages to this recipient',
  account: 'too many messages about this account',
  source: 'too many messages caused from one address',
  all: 'too many messages in all',
};

/** Counts a message everywhere where it counts, or nowhere. */
export async function takeMail(
  limits: MailLimits,
  { recipient, cause = {} }: { recipient: string; cause?: MailCause | undefined },
): Promise<MailDecision> {
  const to = recipient.toLowerCase();
  const keys: Record<(typeof MAIL_LIMITS)[number], string | undefined> = {
    recipient: to,
    account: cause.account,
    source: cause.source,
    all: 'all',
  };
  const taken: (() => Promise<void>)[] = [];
  const giveBack = async () => {
    for (const one of taken) await one();
  };
  const isFirst = (await limits.first.take(to)).allowed;
  if (isFirst) taken.push(() => limits.first.giveBack(to));
  for (const name of MAIL_LIMITS) {
    const key = keys[name];
    if (key === undefined || (name === 'source' && isFirst)) continue;
    const decision = await limits[name].take(key);
    if (!decision.allowed) {
      await giveBack();
      return { allowed: false, retryAfter: decision.retryAfter, reason: REASONS[name] };
    }
    taken.push(() => limits[name].giveBack(key));
  }
  return { allowed: true, giveBack };
}
