import type { SignInOutcome } from '../accounts/sign-in.ts';
import type { Problems } from './views.ts';

export type RefusedPassword = Exclude<SignInOutcome, { kind: 'signed_in' }>;

/** Unknown name and wrong password are one outcome and one answer. S-122 */
export function answerToRefused(outcome: RefusedPassword): { status: number; problems: Problems } {
  switch (outcome.kind) {
    case 'refused':
      return { status: 422, problems: { summary: { key: 'login.refused' }, credentials: true } };
    case 'disabled':
      return { status: 403, problems: { summary: { key: 'login.disabled' } } };
    case 'throttled': {
      const duration = { seconds: outcome.retryAfter };
      return { status: 429, problems: { summary: { key: 'login.throttled', args: { duration } } } };
    }
    case 'busy': {
      const duration = { seconds: outcome.retryAfter };
      return { status: 503, problems: { summary: { key: 'login.busy', args: { duration } } } };
    }
  }
}
