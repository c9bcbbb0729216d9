import type { ClientMetadata } from './client-metadata.ts';

export type ClientState = 'active' | 'disabled';

/** What the protocol needs of a client. */
export interface RelyingParty {
  id: string;
  name: string;
  metadata: ClientMetadata;
  /** Ours: people are not asked for consent. */
  isFirstParty: boolean;
  requirePkce: boolean;
  /** Identifiers of the resource servers it may ask tokens for. */
  resources: string[];
  /** The service account that its own tokens (client_credentials) have for a subject; absent: the client is its own. S-049 */
  serviceAccountId?: string;
  state: ClientState;
  /** Grows with every change. */
  version: number;
  /** SHA-256 of the secrets that are valid now, the newest first. */
  secretDigests: Buffer[];
}

/** What an administrator sees of a client: nothing that could be presented or compared. */
export interface ClientDetails extends Omit<RelyingParty, 'secretDigests'> {
  createdAt: Date;
  updatedAt: Date;
  disabledAt?: Date;
  secrets: { hint: string; createdAt: Date; expiresAt?: Date }[];
}
