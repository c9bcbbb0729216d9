import { domainList, flag, oneOf, text } from './values.ts';
import { variable } from './variable.ts';

/** Who else says who people are, and whom they let in. */
export const upstreamVariables = {
  GOOGLE_CLIENT_ID: variable({
    type: 'text',
    meaning:
      'Offers sign-in with Google: the client id of an OAuth client of type web application, whose authorized redirect URI is ISSUER and `/callback/google`. Needs GOOGLE_CLIENT_SECRET.',
    schema: text(255),
  }),
  GOOGLE_CLIENT_SECRET: variable({
    type: 'text',
    secret: true,
    meaning: 'The secret that belongs to GOOGLE_CLIENT_ID.',
    schema: text(1024),
  }),
  GOOGLE_HOSTED_DOMAINS: variable({
    type: 'domains',
    meaning:
      'Only people of these Google Workspace domains, separated by commas, may sign in with Google. It is the claim `hd` of Google that counts, not the address.',
    schema: domainList,
  }),
  DISCORD_CLIENT_ID: variable({
    type: 'text',
    meaning:
      'Offers sign-in with Discord: the client id of an application whose redirect is ISSUER and `/callback/discord`. Needs DISCORD_CLIENT_SECRET.',
    schema: text(255),
  }),
  DISCORD_CLIENT_SECRET: variable({
    type: 'text',
    secret: true,
    meaning: 'The secret that belongs to DISCORD_CLIENT_ID.',
    schema: text(1024),
  }),
  DAEMUN_SIGN_UP: variable({
    type: 'closed, open or domains',
    default: 'closed',
    meaning:
      'Who gets an account here by signing in with Google or Discord for the first time: nobody, so that accounts are made by an administrator and can then be linked; everybody with a verified address; or everybody whose verified address is in DAEMUN_SIGN_UP_DOMAINS.',
    schema: oneOf('closed', 'open', 'domains'),
  }),
  DAEMUN_SIGN_UP_DOMAINS: variable({
    type: 'domains',
    meaning:
      'With `DAEMUN_SIGN_UP=domains`: what stands behind the @, separated by commas. Subdomains are domains of their own.',
    schema: domainList,
  }),
  DAEMUN_KEEP_UPSTREAM_TOKENS: variable({
    type: 'on or off',
    default: 'off',
    meaning:
      'Keeps the tokens that Google and Discord hand out, encrypted, to act there for the person later. Off: they are dropped once the person is known.',
    schema: flag,
  }),
};
