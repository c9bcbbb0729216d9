import { errors, jwtVerify } from 'jose';
import type { Observations, Proof, VerificationCause } from '../audit/observations.ts';
import type { SigningKeySet } from '../signing-keys/key-set.ts';
import { auditContextOf } from './audit-context.ts';
import { type Client, type EngineContext, Provider } from './engine.ts';

/** 256 bits in base64url, which is how the engine writes tokens that are looked up. */
const OPAQUE = /^[\w-]{43}$/;

/** In this order: what the engine and jose say, in a code or in words of their own. */
const CAUSES: readonly [VerificationCause, RegExp][] = [
  ['replayed', /replay|used once|used before/i],
  ['expired', /ERR_JWT_EXPIRED|jwt expired|not recent enough|is expired|within ten minutes/i],
  ['signature', /ERR_JWS_SIGNATURE|signature verification failed/i],
  ['unknown_key', /ERR_JWKS_NO_MATCHING_KEY|no applicable key/i],
  ['binding', /jkt|x5t#S256|ath mismatch|key binding|nonce/i],
  ['form', /ERR_JW[TS]_INVALID|ERR_JOSE_|invalid .*(?:format|JWT|JWS|value)|could not|decode|not of JWT type/i],
  ['claims', /aud|iss|htm|htu|iat|exp|jti|sub|alg mismatch|mismatch/i],
];

interface EngineError extends Error {
  error?: string;
  error_description?: string;
  error_detail?: string;
}

const ENDPOINTS = [
  'grant.error',
  'introspection.error',
  'revocation.error',
  'pushed_authorization_request.error',
  'userinfo.error',
  'authorization.error',
] as const;

/** Tells of tokens, assertions and proofs that were presented and did not hold, and why. */
export function observeVerifications(
  provider: Provider,
  { keys }: Pick<SigningKeySet, 'keys'>,
  { verificationFailed }: Pick<Observations, 'verificationFailed'>,
): void {
  function tell(ctx: EngineContext, proof: Proof, cause: VerificationCause): void {
    const clientId = ctx.oidc.client?.clientId;
    verificationFailed({ proof, cause, ...(clientId !== undefined && { clientId }) }, auditContextOf(ctx.state));
  }

  for (const event of ENDPOINTS) {
    provider.on(event as 'grant.error', (ctx, failure) => {
      const error = failure as EngineError;
      const proof = proofOf(ctx, error);
      if (proof === 'access_token' || proof === 'introspected_token') void tellOfToken(ctx, proof, error);
      else if (proof) tell(ctx, proof, causeOf(error));
    });
  }

  async function tellOfToken(ctx: EngineContext, proof: Proof, error: EngineError): Promise<void> {
    const cause = causeOf(error);
    if (cause === 'binding' || cause === 'replayed') return tell(ctx, proof, cause);
    const token = presentedToken(ctx);
    if (OPAQUE.test(token)) return tell(ctx, proof, 'unknown');
    const causeOfToken = await causeOfJwt(token);
    // To introspect a JWT is a mistake about the place, which says nothing of the token.
    if (causeOfToken || proof === 'access_token') tell(ctx, proof, causeOfToken ?? 'claims');
  }

  /** What is wrong with a token that resource servers read by themselves; the engine does not look into it. Undefined: nothing. */
  async function causeOfJwt(jwt: string): Promise<VerificationCause | undefined> {
    const keyOf = ({ kid }: { kid?: string }) => {
      const key = keys.find((one) => one.kid === kid);
      if (!key) throw new errors.JWKSNoMatchingKey();
      return key.publicKey;
    };
    return jwtVerify(jwt, keyOf, { issuer: provider.issuer }).then(() => undefined, causeOf);
  }

  const tokens = provider.IdToken as unknown as { validate(jwt: string, client: Client): Promise<unknown> };
  const { validate } = tokens;
  tokens.validate = async (jwt, client) => {
    try {
      return await Reflect.apply(validate, tokens, [jwt, client]);
    } catch (error) {
      tell(Provider.ctx as unknown as EngineContext, 'id_token_hint', causeOf(error as Error));
      throw error;
    }
  };
}

/** A token that is not active is no error, so the engine has no event for it. */
export function observeIntrospection(
  ctx: EngineContext,
  { verificationFailed }: Pick<Observations, 'verificationFailed'>,
): void {
  const { route, client, params } = ctx.oidc;
  if (route !== 'introspection' || !client) return;
  if ((ctx.body as { active?: unknown } | undefined)?.active !== false) return;
  const cause = OPAQUE.test(String(params?.token)) ? 'unknown' : 'form';
  verificationFailed({ proof: 'introspected_token', cause, clientId: client.clientId }, auditContextOf(ctx.state));
}

function proofOf(ctx: EngineContext, { error, error_description: description = '' }: EngineError): Proof | undefined {
  switch (error) {
    case 'invalid_token':
      return ctx.oidc.route === 'userinfo' ? 'access_token' : undefined;
    case 'invalid_dpop_proof':
      return 'dpop_proof';
    case 'unsupported_token_type':
      return ctx.oidc.route === 'introspection' ? 'introspected_token' : undefined;
    case 'invalid_client':
      return ctx.oidc.params?.client_assertion === undefined ? undefined : 'client_assertion';
    case 'invalid_request':
      // What is no JWT names nobody, so the engine blames the request.
      return description.startsWith('invalid client_assertion') ? 'client_assertion' : undefined;
    case 'invalid_request_object':
      return 'request_object';
    default:
      return undefined;
  }
}

function presentedToken(ctx: EngineContext): string {
  const { route, params } = ctx.oidc;
  if (route === 'introspection') return String(params?.token);
  const { authorization = '' } = ctx.headers;
  return /^\S+ +(\S+)$/.exec(authorization)?.[1] ?? String(params?.access_token);
}

function causeOf(error: EngineError): VerificationCause {
  const { cause } = error as { cause?: { code?: unknown; message?: unknown } };
  const told = [
    cause?.code,
    cause?.message,
    (error as { code?: unknown }).code,
    error.error_detail,
    error.error_description,
    error.message,
  ];
  for (const text of told) {
    if (typeof text !== 'string') continue;
    const found = CAUSES.find(([, pattern]) => pattern.test(text));
    if (found) return found[0];
  }
  return 'form';
}
