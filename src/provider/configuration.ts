import type { SigningKeySet } from '../signing-keys/key-set.ts';
import { ACR_VALUES } from './assurance.ts';
import { CLAIMS } from './claims.ts';
import { assertJwtClientAuthClaimsAndHeader } from './client-authentication.ts';
import { POLICY_MEMBER, policyOf } from './client-policy.ts';
import { type CookieKeys, cookiesFor } from './cookies.ts';
import { type Client, type Configuration, type EngineContext, errors } from './engine.ts';
import { engineKeys } from './engine-keys.ts';
import { refuseEmptyRefresh } from './granted-scope.ts';
import { type Lifetimes, lifetimesFor } from './lifetimes.ts';
import { interactionPrompts } from './prompts.ts';
import { assertRequestObject } from './request-objects.ts';
import { mayRevoke } from './token-access.ts';

const SIGNATURES = ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'] as const;
/** The version of that experimental feature that was read and tried; the engine refuses to start on another one. */
const EXTERNAL_SIGNING = 'experimental-01';
const BODY_LIMIT = 64 * 1024;

export interface ConfigurationParts {
  issuer: string;
  lifetimes: Lifetimes;
  uiLocales: readonly string[];
  signingKeys: SigningKeySet;
  cookieKeys: CookieKeys;
  dpopNonceSecret: Buffer;
  adapter: NonNullable<Configuration['adapter']>;
  fetch: typeof fetch;
  findAccount: NonNullable<Configuration['findAccount']>;
  loadExistingGrant: NonNullable<Configuration['loadExistingGrant']>;
  resourceIndicators: NonNullable<NonNullable<Configuration['features']>['resourceIndicators']>;
  /** What access tokens say beyond the protocol's claims. */
  claimsOfToken: (token: object) => Promise<Record<string, unknown> | undefined>;
  mayIntrospect: (ctx: EngineContext, client: never, token: unknown) => Promise<boolean>;
  renderError: NonNullable<Configuration['renderError']>;
  logoutSource: (ctx: EngineContext, form: string) => Promise<void>;
  postLogoutSuccessSource: (ctx: EngineContext) => Promise<void>;
}

/** Every option of the engine that we set, in its order. OPTIONS.md has the reasons, and those for what is left alone. */
export function engineConfiguration(parts: ConfigurationParts): Configuration {
  const { issuer, lifetimes } = parts;
  return {
    acrValues: [...ACR_VALUES],
    adapter: parts.adapter,
    claims: CLAIMS,
    clientBasedCORS: (_ctx, origin, client) => originsOf(client).has(origin),
    clientDefaults: {
      grant_types: ['authorization_code'],
      id_token_signed_response_alg: 'RS256',
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
    },
    clockTolerance: 15,
    conformIdTokenClaims: true,
    loadExistingGrant: parts.loadExistingGrant,
    allowOmittingSingleRegisteredRedirectUri: true,
    acceptQueryParamAccessTokens: false,
    cookies: cookiesFor(issuer, parts.cookieKeys) as unknown as NonNullable<Configuration['cookies']>,
    discovery: {
      display_values_supported: ['page', 'popup'],
      ui_locales_supported: [...parts.uiLocales],
      introspection_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
      revocation_endpoint_auth_methods_supported: [
        'client_secret_basic',
        'client_secret_post',
        'private_key_jwt',
        'none',
      ],
    },
    extraClientMetadata: { properties: [POLICY_MEMBER] },
    extraParams: ['idp_hint'],
    extraTokenClaims: (_ctx, token) => parts.claimsOfToken(token),
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: true, nonceSecret: parts.dpopNonceSecret, requireNonce: () => false, allowReplay: false },
      backchannelLogout: { enabled: false },
      ciba: { enabled: false },
      mTLS: { enabled: false },
      attestClientAuth: { enabled: false },
      clientIdMetadataDocument: { enabled: false },
      claimsParameter: { enabled: true },
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: false },
      encryption: { enabled: false },
      fapi: { enabled: false },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: parts.logoutSource,
        postLogoutSuccessSource: parts.postLogoutSuccessSource,
      },
      introspection: { enabled: true, allowedPolicy: parts.mayIntrospect as never },
      jwtIntrospection: { enabled: false },
      jwtResponseModes: { enabled: false },
      pushedAuthorizationRequests: {
        enabled: true,
        requirePushedAuthorizationRequests: false,
        allowUnregisteredRedirectUris: false,
      },
      registration: { enabled: false },
      registrationManagement: { enabled: false },
      richAuthorizationRequests: { enabled: false },
      resourceIndicators: parts.resourceIndicators,
      requestObjects: {
        enabled: true,
        requireSignedRequestObject: false,
        assertJwtClaimsAndHeader: assertRequestObject as never,
      },
      rpMetadataChoices: { enabled: false },
      revocation: { enabled: true, allowedPolicy: mayRevoke as never },
      userinfo: { enabled: true },
      jwtUserinfo: { enabled: true },
      webMessageResponseMode: { enabled: false },
      externalSigningSupport: { enabled: true, ack: EXTERNAL_SIGNING },
      openid4vci: { enabled: false },
    },
    formats: {
      bitsOfOpaqueRandomness: 256,
      customizers: {
        // The engine would name the client. What the claims of a token say of its subject is ours alone (`claimsOfToken`).
        jwt: (_ctx, token, jwt) => {
          const subject = (token as { extra?: { sub?: string } }).extra?.sub;
          if (subject !== undefined) jwt.payload.sub = subject;
        },
      },
    },
    expiresWithSession: (_ctx, source) => !source.scopes.has('offline_access'),
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    jwks: { keys: engineKeys(parts.signingKeys) as never },
    responseTypes: ['code'],
    pkce: { required: (_ctx, client) => policyOf(client).requirePkce },
    routes: {
      authorization: '/authorize',
      end_session: '/logout',
      introspection: '/introspect',
      jwks: '/.well-known/jwks.json',
      pushed_authorization_request: '/par',
      revocation: '/revoke',
      token: '/token',
      userinfo: '/userinfo',
    },
    scopes: ['openid', 'offline_access'],
    subjectTypes: ['public'],
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    ttl: lifetimesFor(lifetimes),
    renderError: parts.renderError,
    revokeGrantPolicy: ({ oidc }) => !(oidc.route === 'revocation' && oidc.entities.AccessToken),
    interactions: { policy: interactionPrompts(), url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    findAccount: parts.findAccount,
    rotateRefreshToken: (ctx) => rotate(ctx, parts),
    enabledJWA: {
      clientAuthSigningAlgValues: [...SIGNATURES],
      idTokenSigningAlgValues: [...SIGNATURES],
      requestObjectSigningAlgValues: [...SIGNATURES],
      userinfoSigningAlgValues: [...SIGNATURES],
      dPoPSigningAlgValues: ['ES256', 'EdDSA', 'Ed25519'],
    },
    assertJwtClientAuthClaimsAndHeader,
    fetch: parts.fetch,
    fetchResponseBodyLimits: { jwks_uri: BODY_LIMIT, sector_identifier_uri: BODY_LIMIT },
    enableHttpPostMethods: false,
  };
}

/** Always, for every kind of client. Past the absolute end, which a shortened setting can move before the token's own. S-055, S-060 */
async function rotate(ctx: EngineContext, { lifetimes, resourceIndicators }: ConfigurationParts): Promise<true> {
  if (ctx.oidc.entities.RefreshToken!.totalLifetime() >= lifetimes.refreshTokenAbsolute) {
    throw new errors.InvalidGrant({ detail: 'the refresh token reached its absolute end' } as never);
  }
  await refuseEmptyRefresh(ctx, resourceIndicators.getResourceServerInfo as never);
  return true;
}

/** Web origins that the client redirects to. Private-use schemes have none, which the URL standard spells `null`. */
function originsOf({ redirectUris = [] }: Client): Set<string> {
  const origins = redirectUris.filter((uri) => URL.canParse(uri)).map((uri) => new URL(uri).origin);
  return new Set(origins.filter((origin) => origin !== 'null'));
}
