import * as z from 'zod';
import { duration, integer, text } from './values.ts';
import { variable } from './variable.ts';

/** API keys: docs/api-keys.md. */
export const apiKeyVariables = {
  DAEMUN_API_KEY_PREFIX: variable({
    type: 'text',
    default: 'sk-',
    meaning:
      'What API keys begin with: 2 to 20 small letters, digits, `-` and `_`, ending in `-` or `_`. Changing it makes every key that was made before unusable.',
    schema: z
      .string()
      .regex(
        /^[a-z0-9][a-z0-9_-]{0,18}[-_]$/,
        'must be 2 to 20 small letters, digits, - and _, beginning with a letter or digit and ending in - or _',
      ),
  }),
  DAEMUN_API_KEYS_PER_OWNER: variable({
    type: 'number',
    default: '20',
    meaning: 'How many active API keys a person, a service account and the installation may have each.',
    schema: integer(1, 10_000),
  }),
  DAEMUN_API_KEY_LIFETIME: variable({
    type: 'duration',
    default: '90d',
    meaning:
      'How long an API key lives when whoever makes it does not say. Only administrators make keys that never end.',
    schema: duration('1h', '3650d'),
  }),
  DAEMUN_API_KEY_LONGEST_LIFETIME: variable({
    type: 'duration',
    default: '366d',
    meaning: 'The longest life that people may give a key of theirs. Administrators are not bound by it.',
    schema: duration('1h', '3650d'),
  }),
  DAEMUN_SECRET_SCANNING_KEYS_URL: variable({
    type: 'URL',
    meaning:
      'Takes reports of leaked API keys at `/api/v1/secret-scanning/reports`, signed by a partner whose public keys are here, in the form of GitHub: `https://api.github.com/meta/public_keys/secret_scanning`. https, except on loopback with DANGEROUSLY_FETCH_FROM_LOOPBACK.',
    schema: text(500).refine(
      (value) => URL.canParse(value) && /^https?:$/.test(new URL(value).protocol) && !/[@#]/.test(value),
      'must be a URL such as https://api.github.com/meta/public_keys/secret_scanning',
    ),
  }),
};
