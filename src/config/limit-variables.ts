import { duration, integer } from './values.ts';
import { variable } from './variable.ts';

const often = integer(1, 1_000_000);

/** How often is too often. */
export const limitVariables = {
  DAEMUN_SIGN_INS_PER_ADDRESS: variable({
    type: 'number a minute',
    default: '30',
    meaning: 'Password attempts from one address (IPv6: one /64) before 429. Accounts have their own growing delay.',
    schema: often,
  }),
  DAEMUN_SIGN_IN_PAGES_PER_ADDRESS: variable({
    type: 'number a minute',
    default: '100',
    meaning: 'Sign-in pages and one-time links opened from one address (IPv6: one /64) before 429.',
    schema: often,
  }),
  DAEMUN_PASSWORD_TRIES_PER_ACCOUNT: variable({
    type: 'number a minute',
    default: '5',
    meaning:
      'Wrong passwords of one account, from wherever, before its delay begins. Counted in the database, for all nodes together.',
    schema: integer(1, 20),
  }),
  DAEMUN_PASSWORD_FIRST_DELAY: variable({
    type: 'duration',
    default: '1m',
    meaning: 'How long an account then takes no password. Doubles with every further wrong one.',
    schema: duration('1s', '1h'),
  }),
  DAEMUN_PASSWORD_LONGEST_DELAY: variable({
    type: 'duration',
    default: '15m',
    meaning: 'What that delay grows to.',
    schema: duration('1s', '24h'),
  }),
  DAEMUN_TOKEN_REQUESTS_PER_CLIENT: variable({
    type: 'number a minute',
    default: '60000',
    meaning:
      'Token requests of one client before 429: of one that authenticates in all, of a public one from one address (IPv6: one /64).',
    schema: often,
  }),
  DAEMUN_TOKEN_FAILURES_PER_CLIENT: variable({
    type: 'number a minute',
    default: '30',
    meaning: 'Failed client authentications of one client from one address before 429.',
    schema: often,
  }),
  DAEMUN_TOKEN_FAILURES_PER_ADDRESS: variable({
    type: 'number a minute',
    default: '300',
    meaning: 'Failed client authentications from one address (IPv6: one /64), whichever client they named, before 429.',
    schema: often,
  }),
  DAEMUN_STRANGERS_PER_ADDRESS: variable({
    type: 'number a minute',
    default: '600',
    meaning:
      'Sign-ins begun, requests pushed without a secret and sign-outs from one address (IPv6: one /64) before 429. Browsers that are signed in begin as many sign-ins as they like.',
    schema: often,
  }),
  DAEMUN_API_REQUESTS_PER_CALLER: variable({
    type: 'number a minute',
    default: '6000',
    meaning:
      'Requests to our own API (`/api/v1`) of one person, service account or the installation before 429, with whatever keys, tokens and sessions.',
    schema: often,
  }),
  DAEMUN_API_FAILURES_PER_ADDRESS: variable({
    type: 'number a minute',
    default: '300',
    meaning:
      'Requests to our own API from one address (IPv6: one /64) whose key, token or session does not hold, before 429. Reports of found keys are a tenth of it.',
    schema: often,
  }),
  DAEMUN_MAILS_PER_RECIPIENT: variable({
    type: 'number an hour',
    default: '20',
    meaning: 'Mail to one address. What is more waits.',
    schema: often,
  }),
  DAEMUN_MAILS_PER_ACCOUNT: variable({
    type: 'number an hour',
    default: '30',
    meaning: 'Mail about one account, whatever its address was meanwhile. What is more waits.',
    schema: often,
  }),
  DAEMUN_MAILS_PER_SOURCE: variable({
    type: 'number an hour',
    default: '100',
    meaning:
      'Mail caused by what was done from one address (IPv6: one /64), to whomever; the first three to each recipient are not held back by it. What is more waits. What is done by command has no source.',
    schema: often,
  }),
  DAEMUN_MAILS_IN_ALL: variable({
    type: 'number an hour',
    default: '10000',
    meaning: 'Mail to all together: what the mail server, and those it sends to, put up with. What is more waits.',
    schema: often,
  }),
};
