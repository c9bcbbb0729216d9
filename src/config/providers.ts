import { domainList } from './values.ts';
import { type Variable, variable } from './variable.ts';

/** What variables a provider has: `<NAME>_CLIENT_ID`, `<NAME>_CLIENT_SECRET` and those of its own. */
export interface ProviderDefinition {
  displayName: string;
  /** Where its client id comes from; ends with what the redirect URI is called there. */
  registration: string;
  /** By the name of the setting: `hostedDomains` is `<NAME>_HOSTED_DOMAINS`. */
  extras: Record<string, Variable>;
}

/** Every provider, by the name that the registry of `upstreams` has for it. */
export const providers = {
  google: {
    displayName: 'Google',
    registration: 'an OAuth client of type web application, whose authorized redirect URI',
    extras: {
      hostedDomains: variable({
        type: 'domains',
        meaning:
          'Only people of these Google Workspace domains, separated by commas, may sign in with Google. It is the claim `hd` of Google that counts, not the address.',
        schema: domainList,
      }),
    },
  },
  discord: { displayName: 'Discord', registration: 'an application whose redirect', extras: {} },
} satisfies Record<string, ProviderDefinition>;
