import { VerifyError } from './errors.ts';
import type { JsonObject } from './json.ts';
import { isNumericDate } from './time.ts';

/** Who calls, as the access token or API key says: what every route of a resource server works with. */
export interface Caller {
  /** `sub`: the person or service account, or the client itself when it acts for nobody. */
  readonly subject: string;
  /** `client_id`: the application that got the token. An API key belongs to none. */
  readonly clientId?: string;
  /** `scope`, split. */
  readonly scopes: readonly string[];
  /** `aud`: every resource the token is for; ours is among them. */
  readonly audience: readonly string[];
  /** `exp`. An API key may have none. */
  readonly expiresAt?: Date;
  /** `iat` */
  readonly issuedAt: Date;
  /** `jti`: names this token in logs without being worth anything. */
  readonly tokenId: string;
  /** Names the API key that was presented, or that the token was got for, without being worth anything. */
  readonly keyId?: string;
  /** `act`: who really calls, when that is somebody else than the subject. */
  readonly actor?: Actor;
  /** `cnf`: the key the token is bound to; its possession has been proven. */
  readonly confirmation?: Confirmation;
  /** Everything the token says, or the provider of the key. */
  readonly claims: Readonly<JsonObject>;
}

/** @see {@link https://www.rfc-editor.org/rfc/rfc8693#section-4.1 RFC 8693 section 4.1} */
export interface Actor {
  readonly subject: string;
}

/** @see {@link https://www.rfc-editor.org/rfc/rfc9449#section-6.1 RFC 9449 section 6.1} */
export interface Confirmation {
  /** SHA-256 thumbprint of the public key (RFC 7638). */
  readonly jkt: string;
}

/**
 * Reads the claims of an access token whose signature is verified; checks their shape, not yet whether they suit us.
 *
 * @throws VerifyError `malformed` when a required claim is missing or of the wrong type
 * @see {@link https://www.rfc-editor.org/rfc/rfc9068#section-2.2 RFC 9068 section 2.2}
 */
export function readCaller(claims: JsonObject): Caller {
  const { sub, client_id, jti, exp, iat, nbf, aud, scope, cnf, act, daemun_api_key: keyId } = claims;
  if (!isText(sub)) throw malformed('sub');
  if (!isText(client_id)) throw malformed('client_id');
  if (!isText(jti)) throw malformed('jti');
  if (!isNumericDate(exp)) throw malformed('exp');
  if (!isNumericDate(iat)) throw malformed('iat');
  if (nbf !== undefined && !isNumericDate(nbf)) throw malformed('nbf');
  if (scope !== undefined && typeof scope !== 'string') throw malformed('scope');
  const caller: Caller = {
    subject: sub,
    clientId: client_id,
    scopes: scope ? scope.split(' ').filter(Boolean) : [],
    audience: readAudience(aud),
    expiresAt: new Date(exp * 1000),
    issuedAt: new Date(iat * 1000),
    tokenId: jti,
    claims,
  };
  // most tokens have none of these
  if (cnf === undefined && act === undefined && keyId === undefined) return caller;
  return {
    ...caller,
    ...(cnf !== undefined && { confirmation: readConfirmation(cnf) }),
    ...(act !== undefined && { actor: readActor(act) }),
    ...(isText(keyId) && { keyId }),
  };
}

/**
 * Reads what the provider says of an API key that is active.
 *
 * @throws VerifyError `malformed` when a member is missing or of the wrong type: no answer that anything could be judged by
 * @see {@link https://www.rfc-editor.org/rfc/rfc7662#section-2.2 RFC 7662 section 2.2}
 */
export function readKeyCaller(answer: JsonObject): Caller {
  const { sub, jti, exp, iat, aud, scope } = answer;
  if (!isText(sub)) throw malformed('sub');
  if (!isText(jti)) throw malformed('jti');
  if (!isNumericDate(iat)) throw malformed('iat');
  if (exp !== undefined && !isNumericDate(exp)) throw malformed('exp');
  if (scope !== undefined && typeof scope !== 'string') throw malformed('scope');
  return {
    subject: sub,
    scopes: scope ? scope.split(' ').filter(Boolean) : [],
    audience: readAudience(aud),
    ...(exp !== undefined && { expiresAt: new Date(exp * 1000) }),
    issuedAt: new Date(iat * 1000),
    tokenId: jti,
    keyId: jti,
    claims: answer,
  };
}

function readActor(act: unknown): Actor {
  const { sub } = (typeof act === 'object' && act !== null ? act : {}) as { sub?: unknown };
  if (!isText(sub)) throw malformed('act');
  return { subject: sub };
}

function readAudience(aud: unknown): readonly string[] {
  if (isText(aud)) return [aud];
  if (Array.isArray(aud) && aud.length > 0 && aud.every(isText)) return aud;
  throw malformed('aud');
}

/** A binding we cannot check must not be waved through as a bearer token (RFC 7800 section 3.1, RFC 8705 section 3). */
function readConfirmation(cnf: unknown): Confirmation {
  if (typeof cnf !== 'object' || cnf === null) throw malformed('cnf');
  const { jkt, ...others } = cnf as { jkt?: unknown };
  if (Object.keys(others).length > 0) {
    throw new VerifyError('signature', 'The token is bound to its sender in a way that this verifier cannot check.');
  }
  if (!isText(jkt)) throw malformed('cnf');
  return { jkt };
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function malformed(claim: string): VerifyError {
  return new VerifyError('malformed', `The claim "${claim}" is missing or not of its type.`);
}
