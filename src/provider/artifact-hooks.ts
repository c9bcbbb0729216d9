import type { ArtifactStore } from './adapter.ts';
import { Provider } from './engine.ts';

/**
 * Makes a rotated refresh token's successor follow from the token itself. The engine returns the value that it asked its
 * own model for, so an adapter cannot choose it; each provider instance has its own model classes, and `generateTokenId`
 * is the method they ask. The predecessor is the entity that the engine names RotatedRefreshToken just before.
 */
export function installRefreshSuccessor(provider: Provider, store: ArtifactStore): void {
  const prototype = provider.RefreshToken.prototype as unknown as { generateTokenId(): string };
  const random = prototype.generateTokenId;
  prototype.generateTokenId = function generateTokenId() {
    const predecessor = Provider.ctx?.oidc.entities.RotatedRefreshToken;
    return predecessor ? store.successorOf(predecessor.jti) : random.call(this);
  };
  installReplayDetection(provider, store);
}

/**
 * The engine looks whether a `jti` was seen and stores it afterwards: of two simultaneous uses both pass. Here the
 * insertion itself decides, in one statement, and the engine answers with the error of the place it asked from.
 * @see https://www.rfc-editor.org/rfc/rfc9449#section-11.1
 * @see https://www.rfc-editor.org/rfc/rfc7523#section-3
 */
export function installReplayDetection(provider: Provider, store: ArtifactStore): void {
  provider.ReplayDetection.unique = (issuer, jti, expiresAt) =>
    store.claimOnce(JSON.stringify([issuer, jti]), {}, expiresAt - Date.now() / 1000);
}
