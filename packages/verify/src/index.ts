export type { Algorithm } from './algorithms.ts';
export type { Actor, Caller, Confirmation } from './caller.ts';
export { type CredentialHeaders, credentialHeaders } from './credentials.ts';
export type { DpopOptions, DpopRequest } from './dpop.ts';
export { createDpopNonces, type DpopNonces } from './dpop-nonces.ts';
export { DpopError, type DpopErrorCode, UnavailableError, type VerifyCause, VerifyError } from './errors.ts';
export {
  type Authentication,
  createProtectedResource,
  type Problem,
  type ProtectedResource,
  type ProtectedResourceOptions,
  type Refusal,
} from './protected-resource.ts';
export { createMemoryReplayStore, type ReplayStore } from './replay-store.ts';
export { type ProtectedResourceMetadata, protectedResourceMetadata } from './resource-metadata.ts';
export {
  type ApiKeysOptions,
  createVerifier,
  type Verifier,
  type VerifierOptions,
  type VerifyOptions,
} from './verifier.ts';
