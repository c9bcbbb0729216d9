import type { Config } from './config.ts';
import type { Given } from './schema.ts';
import type { Refuse } from './upstreams.ts';

/** Consecutive wrong passwords of one account, ever. NIST SP 800-63B-4 3.2.2 */
const MOST_FAILURES = 100;

export function checkLimits(given: Given, refuse: Refuse): void {
  const { DAEMUN_PASSWORD_FIRST_DELAY: first = 60, DAEMUN_PASSWORD_LONGEST_DELAY: longest = 15 * 60 } = given;
  if (first > longest) refuse('DAEMUN_PASSWORD_FIRST_DELAY', 'is longer than DAEMUN_PASSWORD_LONGEST_DELAY');
}

export function limitsConfig(given: Given): Config['limits'] {
  const factor = given.DANGEROUSLY_RAISE_LIMITS ?? 1;
  return {
    signInPerAddressPerMinute: given.DAEMUN_SIGN_INS_PER_ADDRESS * factor,
    signInPagesPerAddressPerMinute: given.DAEMUN_SIGN_IN_PAGES_PER_ADDRESS * factor,
    account: {
      triesPerMinute: given.DAEMUN_PASSWORD_TRIES_PER_ACCOUNT * factor,
      firstDelay: given.DAEMUN_PASSWORD_FIRST_DELAY,
      longestDelay: given.DAEMUN_PASSWORD_LONGEST_DELAY,
      mostFailures: MOST_FAILURES * factor,
    },
    tokenRequestsPerClientPerMinute: given.DAEMUN_TOKEN_REQUESTS_PER_CLIENT * factor,
    tokenFailuresPerClientPerMinute: given.DAEMUN_TOKEN_FAILURES_PER_CLIENT * factor,
    tokenFailuresPerAddressPerMinute: given.DAEMUN_TOKEN_FAILURES_PER_ADDRESS * factor,
    strangersPerAddressPerMinute: given.DAEMUN_STRANGERS_PER_ADDRESS * factor,
    apiRequestsPerCallerPerMinute: given.DAEMUN_API_REQUESTS_PER_CALLER * factor,
    apiFailuresPerAddressPerMinute: given.DAEMUN_API_FAILURES_PER_ADDRESS * factor,
    mailsPerRecipientPerHour: given.DAEMUN_MAILS_PER_RECIPIENT * factor,
    mailsPerAccountPerHour: given.DAEMUN_MAILS_PER_ACCOUNT * factor,
    mailsPerSourcePerHour: given.DAEMUN_MAILS_PER_SOURCE * factor,
    mailsPerHour: given.DAEMUN_MAILS_IN_ALL * factor,
  };
}
