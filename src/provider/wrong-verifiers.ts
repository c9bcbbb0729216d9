import type { ArtifactStore } from './adapter.ts';
import type { EngineContext, Provider } from './engine.ts';

/** How the engine says that the proof of possession of a code did not fit. */
const MISMATCHES = [
  'code_verifier does not match code_challenge',
  'code_verifier must be provided',
  'unsupported code_challenge_method',
];

/**
 * Whoever holds a stolen code may try a few verifiers and no more. By the time the engine compares them, client and code are
 * known to belong together. S-034
 */
export function countWrongVerifiers(provider: Provider, store: Pick<ArtifactStore, 'burnAfter'>) {
  const wrong = new WeakSet<object>();
  provider.on('grant.error', (ctx, { error_detail: detail }) => {
    if (detail !== undefined && MISMATCHES.includes(detail)) wrong.add(ctx);
  });
  return function countWrongVerifier(ctx: EngineContext): Promise<void> | undefined {
    return wrong.has(ctx) ? store.burnAfter(String(ctx.oidc.params?.code)).then(() => {}) : undefined;
  };
}
