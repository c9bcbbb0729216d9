import * as z from 'zod';
import { type ClientKeySet, clientKeysProblem } from './client-keys.ts';
import type { Problem } from './problem.ts';
import { hasPrivateUseScheme, isLoopbackRedirect, redirectUriProblem } from './redirect-uri.ts';
import { isScopeName, scopeNames } from './scope.ts';
import { webUriProblem } from './web-uri.ts';

/** RFC 8693: a token for an API key. */
export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';

const SIGNATURE_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const;

/** One minute at least, so that a token outlives the request it is made for; a day at most. */
const tokenLifetime = z.int().refine((value) => value >= 60 && value <= 86_400, 'must be between 1m and 24h');
const refreshTokenLifetime = z
  .int()
  .refine((value) => value >= 60 && value <= 31_536_000, 'must be between 1m and 365d');
const maxAge = z.int().min(0).max(31_536_000);
const uriList = z.array(z.string().min(1)).max(50).refine(isDistinct, 'must not repeat an address');
const webUri = webUriSchema({ httpsOnly: false });
const email = z.email('must be an e-mail address').max(254);
const scope = z
  .string()
  .min(1)
  .max(2000)
  .refine((value) => scopeNames(value).every(isScopeName), 'has a character that scope names cannot have')
  .refine((value) => isDistinct(scopeNames(value)), 'must not repeat a scope')
  .transform((value) => scopeNames(value).join(' '));
// A custom check rather than a shape: keys keep members we do not know.
const jwks = z
  .looseObject({ keys: z.array(z.record(z.string(), z.unknown())) })
  .transform((value): ClientKeySet => ({ keys: value.keys }))
  .superRefine((value, context) => {
    const problem = clientKeysProblem(value);
    if (problem) context.addIssue({ code: 'custom', message: problem });
  });

const members = z.strictObject({
  redirect_uris: uriList.default([]),
  post_logout_redirect_uris: uriList.default([]),
  grant_types: z
    .array(z.enum(['authorization_code', 'refresh_token', 'client_credentials', TOKEN_EXCHANGE]))
    .min(1)
    .refine(isDistinct, 'must not repeat a grant type')
    .default(['authorization_code']),
  response_types: z.array(z.literal('code')).max(1).optional(),
  response_modes: z
    .array(z.enum(['query', 'form_post']))
    .min(1)
    .refine(isDistinct, 'must not repeat a response mode')
    .optional(),
  token_endpoint_auth_method: z
    .enum(['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'])
    .default('client_secret_basic'),
  application_type: z.enum(['web', 'native']).optional(),
  jwks: jwks.optional(),
  // Whether this machine is really asked is a setting, DANGEROUSLY_FETCH_FROM_LOOPBACK.
  jwks_uri: webUri.optional(),
  scope: scope.optional(),
  client_uri: webUri.optional(),
  logo_uri: webUri.optional(),
  policy_uri: webUri.optional(),
  tos_uri: webUri.optional(),
  contacts: z.array(email).min(1).max(10).optional(),
  id_token_signed_response_alg: z.enum(SIGNATURE_ALGORITHMS).optional(),
  userinfo_signed_response_alg: z.enum(SIGNATURE_ALGORITHMS).optional(),
  default_max_age: maxAge.optional(),
  require_auth_time: z.boolean().optional(),
  require_pushed_authorization_requests: z.boolean().optional(),
  dpop_bound_access_tokens: z.boolean().optional(),
  initiate_login_uri: webUriSchema({ httpsOnly: true }).optional(),
  subject_type: z.literal('public').optional(),
  /** Our own: seconds, shorter than the server's default. */
  access_token_lifetime: tokenLifetime.optional(),
  id_token_lifetime: tokenLifetime.optional(),
  refresh_token_lifetime: refreshTokenLifetime.optional(),
});

const schema = members
  .transform((metadata) => ({
    ...metadata,
    application_type: metadata.application_type ?? inferApplicationType(metadata),
    response_types:
      metadata.response_types ?? (metadata.grant_types.includes('authorization_code') ? ['code' as const] : []),
  }))
  .superRefine((metadata, context) => {
    for (const { field, message } of combinationProblems(metadata)) {
      context.addIssue({ code: 'custom', path: field.split('.'), message });
    }
  });

/** What a client registered, under its RFC 7591 names, with defaults filled in. */
export type ClientMetadata = z.output<typeof schema>;

export type ParsedClientMetadata =
  | { kind: 'valid'; metadata: ClientMetadata }
  | { kind: 'invalid'; problems: Problem[] };

/** Names of every member that may be registered. */
export const CLIENT_METADATA_MEMBERS: readonly string[] = Object.keys(members.shape);

/**
 * Reads client metadata from anywhere. Members we do not support are refused by name, never dropped:
 * a client that asks for protection and silently does not get it is worse off than one that is told.
 * @see RFC 7591 2
 */
export function parseClientMetadata(input: unknown): ParsedClientMetadata {
  const result = schema.safeParse(input);
  if (result.success) return { kind: 'valid', metadata: result.data };
  return { kind: 'invalid', problems: result.error.issues.flatMap(problemsOf) };
}

/** A public client keeps no secret, so it proves nothing by its id alone. */
export function isPublicClient(metadata: Pick<ClientMetadata, 'token_endpoint_auth_method'>): boolean {
  return metadata.token_endpoint_auth_method === 'none';
}

/** True when the client authenticates by a secret that we hand out. */
export function usesClientSecret({ token_endpoint_auth_method: method }: ClientMetadata): boolean {
  return method === 'client_secret_basic' || method === 'client_secret_post';
}

/**
 * Public clients that redirect only to the person's own machine are native, whether they say so or not: many do not,
 * and would lose the free choice of a port (RFC 8252 7.3). One that keeps a secret is a web application in development.
 */
function inferApplicationType(metadata: z.output<typeof members>): 'web' | 'native' {
  const { redirect_uris: uris } = metadata;
  const local = uris.every((uri) => isLoopbackRedirect(uri) || hasPrivateUseScheme(uri));
  return isPublicClient(metadata) && uris.length > 0 && local ? 'native' : 'web';
}

function combinationProblems(metadata: ClientMetadata): Problem[] {
  const grants = metadata.grant_types;
  const code = grants.includes('authorization_code');
  const problems: Problem[] = [];
  const refuseWhen = (condition: boolean, field: string, message: string) => {
    if (condition) problems.push({ field, message });
  };
  for (const field of ['redirect_uris', 'post_logout_redirect_uris'] as const) {
    for (const [index, uri] of metadata[field].entries()) {
      const problem = redirectUriProblem(uri, metadata.application_type);
      if (problem) problems.push({ field: `${field}.${index}`, message: problem });
    }
  }
  refuseWhen(
    code && metadata.redirect_uris.length === 0,
    'redirect_uris',
    'needs at least one address for the grant type authorization_code',
  );
  refuseWhen(
    code !== metadata.response_types.length > 0,
    'response_types',
    'must be ["code"] with the grant type authorization_code, and empty without',
  );
  refuseWhen(
    grants.includes('refresh_token') && !code,
    'grant_types',
    'refresh_token needs authorization_code beside it',
  );
  refuseWhen(
    isPublicClient(metadata) && grants.includes('client_credentials'),
    'grant_types',
    'client_credentials is for clients that authenticate; this one is public',
  );
  refuseWhen(metadata.jwks !== undefined && metadata.jwks_uri !== undefined, 'jwks_uri', 'must not stand beside jwks');
  refuseWhen(
    metadata.token_endpoint_auth_method === 'private_key_jwt' && !metadata.jwks && !metadata.jwks_uri,
    'jwks',
    'is needed for private_key_jwt, as jwks or jwks_uri',
  );
  return problems;
}

function webUriSchema(options: { httpsOnly: boolean }) {
  return z.string().superRefine((uri, context) => {
    const problem = webUriProblem(uri, options);
    if (problem) context.addIssue({ code: 'custom', message: problem });
  });
}

function isDistinct(values: readonly unknown[]): boolean {
  return new Set(values).size === values.length;
}

function problemsOf(issue: z.core.$ZodIssue): Problem[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((field) => ({ field, message: 'is not a member that this server supports' }));
  }
  return [{ field: issue.path.join('.') || 'metadata', message: issue.message }];
}
