import { createHash, randomBytes } from 'node:crypto';
import type { FakePerson } from './fake-upstream.ts';

/** A code or a token: who it is for, and what was asked. */
export interface Grant {
  person: FakePerson;
  scopes: string[];
  params: URLSearchParams;
}

export type TokenRefusal = { status: number; error: string; description: string };

export interface Grants {
  code(person: FakePerson, params: URLSearchParams): string;
  /** What a token request gets for its code: codes work once. @see RFC 6749 section 5.2, RFC 7636 section 4.6 */
  redeem(form: URLSearchParams): Grant | TokenRefusal;
  accessToken(grant: Grant): string;
  /** Only of a header: a token in the query is none. @see RFC 6750 section 2.1 */
  ofHeader(authorization: string | undefined): Grant | undefined;
}

export function createGrants({ clientId, clientSecret }: { clientId: string; clientSecret: string }): Grants {
  const codes = new Map<string, Grant>();
  const tokens = new Map<string, Grant>();

  function keep(in_: Map<string, Grant>, grant: Grant): string {
    const value = randomBytes(24).toString('base64url');
    in_.set(value, grant);
    return value;
  }

  return {
    code: (person, params) => keep(codes, { person, params, scopes: (params.get('scope') ?? '').split(' ') }),
    accessToken: (grant) => keep(tokens, grant),
    ofHeader: (authorization) => tokens.get(/^Bearer (\S+)$/.exec(authorization ?? '')?.[1] ?? ''),

    redeem(form) {
      if (form.get('client_id') !== clientId || form.get('client_secret') !== clientSecret) {
        return { status: 401, error: 'invalid_client', description: 'Unauthorized' };
      }
      const refused = (error: string, description: string) => ({ status: 400, error, description });
      if (form.get('grant_type') !== 'authorization_code') return refused('unsupported_grant_type', 'Bad Request');
      const code = form.get('code') ?? '';
      const grant = codes.get(code);
      codes.delete(code);
      if (!grant) return refused('invalid_grant', 'Malformed auth code.');
      const { params } = grant;
      if (form.get('redirect_uri') !== params.get('redirect_uri'))
        return refused('redirect_uri_mismatch', 'Bad Request');
      const challenge = params.get('code_challenge');
      const verifier = form.get('code_verifier');
      if ((challenge === null) !== (verifier === null)) return refused('invalid_grant', 'Missing code verifier.');
      if (verifier !== null && createHash('sha256').update(verifier).digest('base64url') !== challenge) {
        return refused('invalid_grant', 'Invalid code verifier.');
      }
      return grant;
    },
  };
}
