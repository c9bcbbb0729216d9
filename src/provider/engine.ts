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

/** What an engine keeps to itself; `dpop-nonces.ts` has the one thing that we change in it. */
const internals = (await import('oidc-provider/lib/helpers/weak_cache.js' as string)) as {
  get(provider: object): EngineInternals;
};
export const internalsOf = internals.get;

/** Proofs of possession (RFC 9449), for grants of our own: the engine has these checks for its own grants only. */
const proofs = (await import('oidc-provider/lib/helpers/validate_dpop.js' as string)) as {
  default(provider: object, ctx: object): Promise<Proof | undefined>;
  checkDpopReplay(provider: object, ctx: object, proof: Proof, clientId: string, refusal: object): Promise<void>;
};
/** Undefined without one. @throws InvalidDpopProof, UseDpopNonce */
export const validateProof = proofs.default;
/** Lets a proof be used once. @throws the given error */
export const claimProof = proofs.checkDpopReplay;

interface Proof {
  thumbprint: string;
  jti: string;
}

export interface EngineInternals {
  DPoPNonces?: ServerChallenge;
}

/** Makes nonces that need no storage, and knows its own again. */
export interface ServerChallenge {
  nextChallenge(): string;
  checkChallenge(challenge: string): boolean;
}

export const { ExternalSigningKey, Provider, errors, interactionPolicy } = engine;
export type ExternalSigningKey = InstanceType<typeof ExternalSigningKey>;
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
