import type { FederatedRefusal } from '../accounts/federation.ts';
import type { Message } from '../platform/http/messages.ts';
import type { SignInOutcome } from '../upstreams/sign-ins.ts';

interface Words {
  status: number;
  title: Message;
  text: Message;
}

/** Why a sign-in elsewhere did not get anybody in here. The names are part of addresses and shown to developers. */
export const PROBLEMS = {
  cancelled: { status: 200, title: { key: 'upstream.cancelled.title' }, text: { key: 'upstream.cancelled.text' } },
  unavailable: {
    status: 503,
    title: { key: 'upstream.unavailable.title' },
    text: { key: 'upstream.unavailable.text' },
  },
  timeout: { status: 503, title: { key: 'upstream.timeout.title' }, text: { key: 'upstream.timeout.text' } },
  refused: { status: 503, title: { key: 'upstream.refused.title' }, text: { key: 'upstream.refused.text' } },
  invalid: { status: 400, title: { key: 'upstream.invalid.title' }, text: { key: 'upstream.invalid.text' } },
  'wrong-issuer': { status: 400, title: { key: 'upstream.issuer.title' }, text: { key: 'upstream.issuer.text' } },
  stale: { status: 403, title: { key: 'upstream.stale.title' }, text: { key: 'upstream.stale.text' } },
  spent: { status: 400, title: { key: 'upstream.spent.title' }, text: { key: 'upstream.spent.text' } },
  expired: { status: 400, title: { key: 'upstream.expired.title' }, text: { key: 'upstream.expired.text' } },
  foreign: { status: 400, title: { key: 'upstream.foreign.title' }, text: { key: 'upstream.foreign.text' } },
  disabled: { status: 403, title: { key: 'upstream.disabled.title' }, text: { key: 'upstream.disabled.text' } },
  'account-disabled': {
    status: 403,
    title: { key: 'upstream.account.title' },
    text: { key: 'upstream.account.text' },
  },
  'sign-up-closed': { status: 403, title: { key: 'upstream.closed.title' }, text: { key: 'upstream.closed.text' } },
  'domain-not-allowed': {
    status: 403,
    title: { key: 'upstream.domain.title' },
    text: { key: 'upstream.domain.text' },
  },
  'email-missing': {
    status: 403,
    title: { key: 'upstream.no-email.title' },
    text: { key: 'upstream.no-email.text' },
  },
  'email-not-verified': {
    status: 403,
    title: { key: 'upstream.unverified.title' },
    text: { key: 'upstream.unverified.text' },
  },
  'other-account': { status: 403, title: { key: 'upstream.other.title' }, text: { key: 'upstream.other.text' } },
  'link-spent': {
    status: 410,
    title: { key: 'upstream.link-spent.title' },
    text: { key: 'upstream.link-spent.text' },
  },
  taken: { status: 409, title: { key: 'upstream.taken.title' }, text: { key: 'upstream.taken.text' } },
} as const satisfies Record<string, Words>;

export type UpstreamProblem = keyof typeof PROBLEMS;

/** The same where there is no interaction of this browser to go back to. */
export const LOST_PROBLEMS = {
  unknown: { status: 400, title: { key: 'upstream.unknown.title' }, text: { key: 'upstream.unknown.text' } },
  invalid: { status: 400, title: { key: 'upstream.invalid.title' }, text: { key: 'upstream.lost.text' } },
  spent: { status: 400, title: { key: 'upstream.spent.title' }, text: { key: 'upstream.over.text' } },
  expired: { status: 400, title: { key: 'upstream.expired.title' }, text: { key: 'upstream.lost.text' } },
  unfinished: { status: 400, title: { key: 'upstream.unfinished.title' }, text: { key: 'upstream.lost.text' } },
  'other-browser': {
    status: 400,
    title: { key: 'upstream.browser.title' },
    text: { key: 'upstream.browser.text' },
  },
} as const satisfies Record<string, Words>;

export type LostProblem = keyof typeof LOST_PROBLEMS;

type Failed = Exclude<SignInOutcome, { kind: 'identified' }>;

/** What the upstream said about it stays out: it is a stranger's text. S-106 */
export function problemOfAnswer(outcome: Failed): UpstreamProblem {
  if (outcome.kind === 'denied') return 'cancelled';
  return outcome.kind === 'failed' ? FAILURES[outcome.reason] : outcome.kind;
}

const FAILURES: Record<Extract<Failed, { kind: 'failed' }>['reason'], UpstreamProblem> = {
  unavailable: 'unavailable',
  timeout: 'timeout',
  refused: 'refused',
  invalid_response: 'invalid',
  wrong_issuer: 'wrong-issuer',
  stale_sign_in: 'stale',
  domain_not_allowed: 'domain-not-allowed',
};

/** `password_needed` is none: the sign-in page asks for it. */
export const REFUSALS: Record<Exclude<FederatedRefusal, 'password_needed'>, UpstreamProblem> = {
  account_disabled: 'account-disabled',
  sign_up_closed: 'sign-up-closed',
  domain_not_allowed: 'domain-not-allowed',
  email_missing: 'email-missing',
  email_not_verified: 'email-not-verified',
  other_account: 'other-account',
};
