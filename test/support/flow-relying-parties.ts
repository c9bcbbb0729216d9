import { createVerifier } from '@daemun/verify';
import { createLocalJWKSet, createRemoteJWKSet, decodeJwt, type JSONWebKeySet, jwtVerify } from 'jose';

export interface SignedToken {
  jwt: string;
  kind: 'access' | 'id';
  audience: string;
  /** Milliseconds since 1970. */
  expiresAt: number;
}

/** Takes a token, or throws. */
export interface TokenVerifier {
  name: string;
  accepts(token: SignedToken): boolean;
  verify(token: SignedToken): Promise<unknown>;
}

export function signedToken(jwt: string, kind: SignedToken['kind'], audience: string): SignedToken {
  return { jwt, kind, audience, expiresAt: decodeJwt(jwt).exp! * 1000 };
}

/** Relying parties that keep the key set in different ways, none for longer than `longest` (seconds). */
export function createTokenVerifiers(
  issuer: string,
  { longest, audiences }: { longest: number; audiences: readonly string[] },
): TokenVerifier[] {
  const url = new URL(`${issuer}/.well-known/jwks.json`);
  const remote = (options: Parameters<typeof createRemoteJWKSet>[1]) => createRemoteJWKSet(url, options);
  const half = remote({ cacheMaxAge: longest * 500, cooldownDuration: Number.POSITIVE_INFINITY });
  // A fetch takes time too: what it brings is as old as the question.
  const stubborn = remote({ cacheMaxAge: longest * 1000 - 100, cooldownDuration: Number.POSITIVE_INFINITY });
  const asking = remote({ cacheMaxAge: longest * 800, cooldownDuration: 0 });
  const ours = new Map(
    audiences.map((audience) => [audience, createVerifier({ issuer, audience, jwksCooldown: 1, clockTolerance: 0 })]),
  );
  const byJose = (name: string, keys: Parameters<typeof jwtVerify>[1]): TokenVerifier => ({
    name,
    accepts: () => true,
    verify: ({ jwt, audience }) => jwtVerify(jwt, keys as never, { issuer, audience }),
  });
  const fixed = [0.25, 0.99].map((part): TokenVerifier => {
    const keySet = keptFor(url, longest * 1000 * part);
    return {
      name: `a copy kept for exactly ${Math.round(longest * 1000 * part)} ms`,
      accepts: () => true,
      verify: async ({ jwt, audience }) => jwtVerify(jwt, await keySet(), { issuer, audience }),
    };
  });
  return [
    byJose('jose, half as long', half),
    byJose('jose, as long as we promise, never asking for unknown keys', stubborn),
    byJose('jose, asking for unknown keys', asking),
    ...fixed,
    {
      name: '@daemun/verify',
      accepts: ({ kind, audience }) => kind === 'access' && ours.has(audience),
      verify: ({ jwt, audience }) => ours.get(audience)!.verify(jwt),
    },
  ];
}

/** The age counts from the question: somewhere the answer may have waited. */
function keptFor(url: URL, age: number) {
  let kept: { at: number; keys: Promise<ReturnType<typeof createLocalJWKSet>> } | undefined;
  return () => {
    const now = performance.now();
    if (!kept || now - kept.at >= age) {
      kept = {
        at: now,
        keys: fetch(url).then(async (answer) => createLocalJWKSet((await answer.json()) as JSONWebKeySet)),
      };
    }
    return kept.keys;
  };
}
