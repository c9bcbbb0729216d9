import { createHash, randomBytes } from 'node:crypto';
import type { FakePerson } from './fake-upstream.ts';

/** A code or a token: who it is for, what was asked, and whether the person was asked for it for the first time. */
export interface Grant {
  person: FakePerson;
  scopes: string[];
  params: URLSearchParams;
  isFirstConsent: boolean;
}

export interface TokenRefusal {
  status: number;
  error: string;
  error_description?: string;
}

/** Everything that a token endpoint refuses, in the provider's own words. */
export type Refusals = Record<
  'client' | 'body' | 'grantType' | 'code' | 'redirectUri' | 'verifierMissing' | 'verifierWrong',
  TokenRefusal
>;

export interface Grants {
  code(grant: Omit<Grant, 'scopes'>): string;
  /** What a token request gets for its code: codes work once. @see RFC 6749 section 5.2, RFC 7636 section 4.6 */
  redeem(form: URLSearchParams): Grant | TokenRefusal;
  accessToken(grant: Grant): string;
  /** Only of a header: a token in the query is none. @see RFC 6750 section 2.1 */
  ofHeader(authorization: string | undefined): Grant | undefined;
}

export function createGrants(client: { clientId: string; clientSecret: string }, refusals: Refusals): Grants {
  const codes = new Map<string, Grant>();
  const tokens = new Map<string, Grant>();

  function keep(in_: Map<string, Grant>, grant: Grant): string {
    const value = randomBytes(24).toString('base64url');
    in_.set(value, grant);
    return value;
  }

  return {
    code: (grant) => keep(codes, { ...grant, scopes: scopesOf(grant.params) }),
    accessToken: (grant) => keep(tokens, grant),
    ofHeader: (authorization) => tokens.get(/^Bearer (\S+)$/.exec(authorization ?? '')?.[1] ?? ''),

    redeem(form) {
      const { clientId, clientSecret } = client;
      if (form.get('client_id') !== clientId || form.get('client_secret') !== clientSecret) return refusals.client;
      if (form.get('grant_type') !== 'authorization_code') return refusals.grantType;
      const code = form.get('code') ?? '';
      const grant = codes.get(code);
      codes.delete(code);
      if (!grant) return refusals.code;
      const { params } = grant;
      if (form.get('redirect_uri') !== params.get('redirect_uri')) return refusals.redirectUri;
      const challenge = params.get('code_challenge');
      const verifier = form.get('code_verifier');
      if ((challenge === null) !== (verifier === null)) return refusals.verifierMissing;
      if (verifier !== null && createHash('sha256').update(verifier).digest('base64url') !== challenge) {
        return refusals.verifierWrong;
      }
      return grant;
    },
  };
}

export function scopesOf(params: URLSearchParams): string[] {
  return (params.get('scope') ?? '').split(' ').filter(Boolean);
}
