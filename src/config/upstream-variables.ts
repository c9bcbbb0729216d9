import { domainList, flag, oneOf } from './values.ts';
import { variable } from './variable.ts';

/** What holds for every provider: whom they let in, and what is kept of them. */
export const upstreamVariables = {
  DAEMUN_SIGN_UP: variable({
    type: 'closed, open or domains',
    default: 'closed',
    meaning:
      'Who gets an account here by signing in with one of these providers for the first time: nobody, so that accounts are made by an administrator and can then be linked; everybody with a verified address; or people of DAEMUN_SIGN_UP_DOMAINS.',
    schema: oneOf('closed', 'open', 'domains'),
  }),
  DAEMUN_SIGN_UP_DOMAINS: variable({
    type: 'domains',
    meaning:
      'With `DAEMUN_SIGN_UP=domains`: what stands behind the @, separated by commas. Subdomains are domains of their own. It takes a provider that runs the accounts of that very domain and says so, as Google does for Workspace; the word of others about an address opens nothing.',
    schema: domainList,
  }),
  DAEMUN_KEEP_UPSTREAM_TOKENS: variable({
    type: 'on or off',
    default: 'off',
    meaning:
      'Keeps the tokens that these providers hand out, encrypted, to act there for the person later. Off: they are dropped once the person is known.',
    schema: flag,
  }),
};
