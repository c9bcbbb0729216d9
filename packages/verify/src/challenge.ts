import type { Scheme } from './credentials.ts';
import type { DpopErrorCode } from './errors.ts';

/** RFC 6750 section 3.1 and RFC 9449 section 7.1. */
export type OAuthErrorCode = 'invalid_request' | 'invalid_token' | 'insufficient_scope' | DpopErrorCode;

export interface ChallengeError {
  /** The scheme that the request used, whose challenge carries the error. */
  readonly scheme: Scheme;
  readonly error: OAuthErrorCode;
  readonly description: string;
}

export interface ChallengeSettings {
  readonly realm: string | undefined;
  /** RFC 9728 section 5.1 */
  readonly resourceMetadata: string;
  /** RFC 9449 section 7.1 */
  readonly algs: readonly string[];
}

/**
 * The values of `WWW-Authenticate`: a challenge for each scheme we take, the used one first. Without an error there is
 * no error code: RFC 6750 section 3.1 wants none when the request had no credentials.
 */
export function challenges(
  settings: ChallengeSettings,
  scopes: readonly string[],
  failure?: ChallengeError,
): readonly string[] {
  const order: readonly Scheme[] = failure?.scheme === 'DPoP' ? ['DPoP', 'Bearer'] : ['Bearer', 'DPoP'];
  return order.map((scheme) => {
    const fault = failure?.scheme === scheme ? failure : undefined;
    return format(scheme, {
      realm: settings.realm,
      error: fault?.error,
      error_description: fault?.description,
      scope: scopes.length > 0 ? scopes.join(' ') : undefined,
      algs: scheme === 'DPoP' ? settings.algs.join(' ') : undefined,
      resource_metadata: settings.resourceMetadata,
    });
  });
}

function format(scheme: Scheme, parameters: Record<string, string | undefined>): string {
  const present = Object.entries(parameters).filter(([, value]) => value !== undefined);
  return `${scheme} ${present.map(([name, value]) => `${name}=${quote(value as string)}`).join(', ')}`;
}

/** RFC 6750 section 3 allows neither quotes nor backslashes nor controls in its values, so they are dropped, not escaped. */
function quote(value: string): string {
  return `"${value.replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, '')}"`;
}
