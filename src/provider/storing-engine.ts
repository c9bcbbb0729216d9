import type { ArtifactStore } from './adapter.ts';
import type { DescribeTokens } from './artifact-token-request.ts';
import { type Configuration, type EngineContext, Provider } from './engine.ts';
import { refusingEmptyScope } from './granted-scope.ts';

type GrantHandler = (ctx: never) => Promise<void>;

/** Seconds between the clocks of two nodes of which one is five minutes fast, the other five minutes slow. */
const CLOCK_DIFFERENCE = 600;

/** An engine that leaves to our store what its adapter interface cannot say. `describe`: what to record of requests for tokens. */
export function createStoringEngine(
  issuer: string,
  configuration: Configuration,
  store: ArtifactStore,
  describe?: DescribeTokens,
): Provider {
  /** The engine registers its own grant types through the method that is there for those of others. */
  class StoringEngine extends Provider {
    override registerGrantType(name: string, handler: GrantHandler, ...parameters: never[]): void {
      const answer = refusingEmptyScope(handler as (ctx: EngineContext) => Promise<void>);
      const stored = (ctx: EngineContext) => store.tokenRequest(ctx, () => answer(ctx), describe);
      super.registerGrantType(name, stored as never, ...parameters);
    }
  }
  const provider = new StoringEngine(issuer, configuration) as Provider;
  deriveSuccessors(provider, store);
  detectReplays(provider, store);
  return provider;
}

/**
 * Makes a rotated refresh token's successor follow from the token itself. The engine returns the value that it asked its
 * own model for, so an adapter cannot choose it; each provider instance has its own model classes, and `generateTokenId`
 * is the method they ask. The predecessor is the entity that the engine names RotatedRefreshToken just before.
 */
function deriveSuccessors(provider: Provider, store: ArtifactStore): void {
  const prototype = provider.RefreshToken.prototype as unknown as { generateTokenId(): string };
  const random = prototype.generateTokenId;
  prototype.generateTokenId = function generateTokenId() {
    const predecessor = Provider.ctx?.oidc.entities.RotatedRefreshToken;
    return predecessor ? store.successorOf(predecessor.jti) : random.call(this);
  };
}

/**
 * The engine looks whether a `jti` was seen and stores it afterwards: of two simultaneous uses both pass. Here the
 * insertion itself decides, in one statement, and the engine answers with the error of the place it asked from.
 * A mark lasts longer than the JWT does by the clock of this node: another one may still take it by its own.
 * @see https://www.rfc-editor.org/rfc/rfc9449#section-11.1
 * @see https://www.rfc-editor.org/rfc/rfc7523#section-3
 */
function detectReplays(provider: Provider, store: ArtifactStore): void {
  provider.ReplayDetection.unique = (issuer, jti, expiresAt) =>
    store.claimOnce(JSON.stringify([issuer, jti]), {}, expiresAt - Date.now() / 1000 + CLOCK_DIFFERENCE);
}
