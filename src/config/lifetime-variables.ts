import { duration } from './values.ts';
import { variable } from './variable.ts';

/** How long what we hand out is good for. */
export const lifetimeVariables = {
  DAEMUN_ACCESS_TOKEN_LIFETIME: variable({
    type: 'duration',
    default: '15m',
    meaning: 'Access tokens. Clients and resource servers may shorten it.',
    schema: duration('30s', '24h'),
  }),
  DAEMUN_ID_TOKEN_LIFETIME: variable({
    type: 'duration',
    default: '1h',
    meaning: 'ID tokens.',
    schema: duration('30s', '24h'),
  }),
  DAEMUN_AUTHORIZATION_CODE_LIFETIME: variable({
    type: 'duration',
    default: '60s',
    meaning: 'Authorization codes.',
    schema: duration('5s', '60s'),
  }),
  DAEMUN_REFRESH_TOKEN_LIFETIME: variable({
    type: 'duration',
    default: '30d',
    meaning: 'A refresh token that is not used ends after this; each use starts it anew.',
    schema: duration('1m', '400d'),
  }),
  DAEMUN_REFRESH_TOKEN_ABSOLUTE_LIFETIME: variable({
    type: 'duration',
    default: '365d',
    meaning: 'Refresh tokens end this long after the sign-in, used or not.',
    schema: duration('1m', '3650d'),
  }),
  DAEMUN_REFRESH_GRACE: variable({
    type: 'duration',
    default: '10s',
    meaning: 'How long a client that lost the answer may repeat a refresh and get the same successor. 0 turns it off.',
    schema: duration('0s', '60s'),
  }),
  DAEMUN_SESSION_LIFETIME: variable({
    type: 'duration',
    default: '14d',
    meaning: 'How long a browser stays signed in.',
    schema: duration('1m', '30d'),
  }),
  DAEMUN_SESSION_IDLE: variable({
    type: 'duration',
    defaultNote: 'the same as DAEMUN_SESSION_LIFETIME',
    meaning:
      'A browser that was not here for so long has to sign in again, and tokens that are bound to its session end with it (those with `offline_access` do not). A visit is an application sending the browser here; refreshing tokens is none. Up to a minute, or a twentieth of it, early. Longer than applications keep their own sessions, or people are asked for their password in the middle of their work.',
    schema: duration('5m', '30d'),
  }),
  DAEMUN_INTERACTION_LIFETIME: variable({
    type: 'duration',
    default: '1h',
    meaning: 'How long a sign-in page may stay open.',
    schema: duration('1m', '24h'),
  }),
};
