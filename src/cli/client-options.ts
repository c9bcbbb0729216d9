import { type Command, Option } from 'commander';
import { CLIENT_METADATA_MEMBERS } from '../clients/client-metadata.ts';
import type { ClientChanges } from '../clients/clients.ts';
import type { CommandContext } from './command.ts';
import { CommandError, nothingToChange } from './command-error.ts';
import { collect, jsonFile, seconds } from './option-values.ts';

/** What can be unset besides metadata. */
const OURS = ['resources', 'service_account'];

export interface ClientOptions {
  name?: string;
  redirectUri?: string[];
  postLogoutRedirectUri?: string[];
  grantType?: string[];
  authMethod?: string;
  public?: true;
  type?: string;
  scope?: string;
  resource?: string[];
  serviceAccount?: string;
  firstParty?: boolean;
  pkce?: boolean;
  jwks?: Record<string, unknown>;
  jwksUri?: string;
  clientUri?: string;
  logoUri?: string;
  policyUri?: string;
  tosUri?: string;
  contact?: string[];
  idTokenAlg?: string;
  accessTokenLifetime?: number;
  idTokenLifetime?: number;
  refreshTokenLifetime?: number;
  metadata?: Record<string, unknown>;
}

/** What `clients create` and `clients update` have in common. */
export function addClientOptions(command: Command, context: CommandContext): Command {
  return command
    .option('--redirect-uri <uri>', 'where sign-ins return to; may be repeated', collect)
    .option('--post-logout-redirect-uri <uri>', 'where sign-outs return to; may be repeated', collect)
    .addOption(new Option('--grant-type <type>', 'may be repeated').argParser(collect).default(undefined, 'see below'))
    .addOption(
      new Option('--auth-method <method>', 'how it authenticates').choices([
        'client_secret_basic',
        'client_secret_post',
        'private_key_jwt',
        'none',
      ]),
    )
    .addOption(new Option('--public', 'keeps no secret: browser, desktop, mobile').conflicts('authMethod'))
    .addOption(new Option('--type <type>', 'application type').choices(['web', 'native']))
    .option('--scope <scopes>', 'the most it may ask for, separated by spaces')
    .option('--resource <identifier>', 'a resource server it may ask tokens for; may be repeated', collect)
    .option('--service-account <id>', 'a service account that its own tokens (client_credentials) speak for')
    .option('--first-party', 'ours: people are not asked for consent')
    .option('--no-first-party', 'people are asked for consent')
    .option('--pkce', 'every sign-in must use PKCE')
    .option('--no-pkce', 'for older confidential clients that cannot')
    .option('--jwks <file>', 'its public keys, a JWK set', jsonFile(context))
    .option('--jwks-uri <uri>', 'where its public keys are')
    .option('--client-uri <uri>', 'its home page')
    .option('--logo-uri <uri>', 'its logo')
    .option('--policy-uri <uri>', 'its privacy policy')
    .option('--tos-uri <uri>', 'its terms of service')
    .option('--contact <email>', 'may be repeated', collect)
    .option('--id-token-alg <algorithm>', 'RS256, PS256, ES256 or EdDSA')
    .option('--access-token-lifetime <duration>', 'shorter than the server default', seconds)
    .option('--id-token-lifetime <duration>', 'shorter than the server default', seconds)
    .option('--refresh-token-lifetime <duration>', 'unused, shorter than the server default', seconds)
    .option('--metadata <file>', 'further RFC 7591 members, a JSON object; options win', jsonFile(context))
    .option('--json', 'print JSON');
}

/** @throws CommandError when it is no member that a client can be without, or nothing was given to change */
export function requireChanges(options: ClientOptions & { unset?: string[] }): void {
  const known = [...OURS, ...CLIENT_METADATA_MEMBERS];
  const unknown = options.unset?.filter((name) => !known.includes(name)) ?? [];
  if (unknown.length) {
    throw new CommandError(`These cannot be unset: ${unknown.join(', ')}. What can be: ${known.join(', ')}.`);
  }
  if (!Object.values(options).some((value) => value !== undefined)) throw nothingToChange('client');
}

/** Only what was given: absent members keep their value, or get their default. */
export function changesOf(options: ClientOptions, unset: string[] = []): ClientChanges {
  const members: Record<string, unknown> = {
    redirect_uris: options.redirectUri,
    post_logout_redirect_uris: options.postLogoutRedirectUri,
    grant_types: options.grantType,
    token_endpoint_auth_method: options.public ? 'none' : options.authMethod,
    application_type: options.type,
    scope: options.scope,
    jwks: options.jwks,
    jwks_uri: options.jwksUri,
    client_uri: options.clientUri,
    logo_uri: options.logoUri,
    policy_uri: options.policyUri,
    tos_uri: options.tosUri,
    contacts: options.contact,
    id_token_signed_response_alg: options.idTokenAlg,
    access_token_lifetime: options.accessTokenLifetime,
    id_token_lifetime: options.idTokenLifetime,
    refresh_token_lifetime: options.refreshTokenLifetime,
  };
  const given = Object.entries(members).filter(([, value]) => value !== undefined);
  const removed = unset.filter((name) => !OURS.includes(name)).map((name): [string, null] => [name, null]);
  return {
    name: options.name,
    isFirstParty: options.firstParty,
    requirePkce: options.pkce,
    resources: unset.includes('resources') ? [] : options.resource,
    serviceAccountId: unset.includes('service_account') ? null : options.serviceAccount,
    metadata: Object.fromEntries([...Object.entries(options.metadata ?? {}), ...given, ...removed]),
  };
}
