import { duration } from './values.ts';
import { variable } from './variable.ts';

/** How fast keys change. What must hold between these and the lifetimes of tokens is checked when all is read. */
export const keyVariables = {
  DAEMUN_KEY_ROTATION_PERIOD: variable({
    type: 'duration',
    default: '30d',
    meaning:
      'How long a signing key signs, and a cookie key, before the next one takes over. At least DAEMUN_KEY_CACHE_SUPPORT, the longest lifetime of tokens and 150 s together.',
    schema: duration('1h', '400d'),
  }),
  DAEMUN_KEY_CACHE_SUPPORT: variable({
    type: 'duration',
    default: '24h',
    meaning:
      'How old a relying party’s copy of our key set may be: a new key is published for so long before it signs. Longer for applications that read it once a week.',
    schema: duration('5m', '30d'),
  }),
  DAEMUN_KEY_HINT_RETENTION: variable({
    type: 'duration',
    default: '90d',
    meaning:
      'How long an ID token may still say who is signing out (`id_token_hint`) after its key has left the key set.',
    schema: duration('1h', '3650d'),
  }),
};
