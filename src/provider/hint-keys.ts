import { decodeProtectedHeader } from 'jose';
import type { SigningKeySet } from '../signing-keys/key-set.ts';
import { type Client, type EngineContext, Provider } from './engine.ts';

interface IdTokens {
  validate(jwt: string, client: Client): Promise<unknown>;
}

/**
 * ID tokens that come back as hints. A key that is archived names people at the sign-out and nowhere else; a name that this engine
 * does not have is forged, revoked or too old, which `onUnknownKid` is told.
 */
export function guardHints(provider: Provider, { keys, hints }: SigningKeySet, onUnknownKid = () => {}): void {
  const published = new Set(keys.map(({ kid }) => kid));
  const archived = new Set(hints.map(({ kid }) => kid));
  const tokens = provider.IdToken as unknown as IdTokens;
  const { validate } = tokens;
  tokens.validate = async (jwt, client) => {
    const kid = kidOf(jwt) ?? '';
    if (archived.has(kid) && !isSignOut()) throw new Error('the key of this ID token is good for signing out only');
    if (!archived.has(kid) && !published.has(kid)) onUnknownKid();
    return Reflect.apply(validate, tokens, [jwt, client]);
  };
}

function isSignOut(): boolean {
  const { oidc } = Provider.ctx as unknown as EngineContext;
  return oidc.route === 'end_session';
}

function kidOf(jwt: string): string | undefined {
  try {
    return decodeProtectedHeader(jwt).kid;
  } catch {
    return undefined;
  }
}
