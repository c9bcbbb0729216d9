/**
 * The only door to oidc-provider: nothing else in the service imports it by value.
 * On Node 20, which we support and test, the engine greets every start with a warning that it prefers a later line; that one
 * line is left out, everything else it says is kept.
 */
const { warn } = console;
console.warn = (...message: unknown[]) => {
  if (!String(message[0]).startsWith('oidc-provider WARNING: Unsupported runtime')) warn(...message);
};
const engine = await import('oidc-provider').finally(() => {
  console.warn = warn;
});

export const { Provider, errors, interactionPolicy } = engine;
export type Provider = InstanceType<typeof Provider>;

export type {
  Account as EngineAccount,
  Adapter,
  AdapterPayload,
  Client,
  Configuration,
  Grant,
  Interaction,
  InteractionResults,
  KoaContextWithOIDC as EngineContext,
  OIDCContext,
} from 'oidc-provider';
