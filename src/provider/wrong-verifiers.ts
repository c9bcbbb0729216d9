import type { PreparedEvent } from '../audit/audit.ts';
import type { ArtifactStore } from './adapter.ts';
import type { EngineContext, Provider } from './engine.ts';

/** How the engine says that the proof of possession of a code did not fit. */
const MISMATCHES = [
  'code_verifier does not match code_challenge',
  'code_verifier must be provided',
  'unsupported code_challenge_method',
];

/** Of a refusal of the token endpoint: its record goes with its count. */
export function isWrongVerifier({ error_detail: detail }: { error_detail?: string | undefined }): boolean {
  return detail !== undefined && MISMATCHES.includes(detail);
}

/**
 * Whoever holds a stolen code may try a few verifiers and no more. By the time the engine compares them, client and code are
 * known to belong together. S-034
 */
export function countWrongVerifiers(
  provider: Provider,
  store: Pick<ArtifactStore, 'burnAfter'>,
  describe: (ctx: EngineContext, error: string) => PreparedEvent,
) {
  const wrong = new WeakMap<object, PreparedEvent>();
  provider.on('grant.error', (ctx, error) => {
    if (isWrongVerifier(error)) wrong.set(ctx, describe(ctx, error.error));
  });
  return function countWrongVerifier(ctx: EngineContext): Promise<void> | undefined {
    const event = wrong.get(ctx);
    return event && store.burnAfter(String(ctx.oidc.params?.code), event).then(() => {});
  };
}
