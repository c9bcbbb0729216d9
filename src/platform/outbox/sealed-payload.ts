/** As the key-encryption key of `signing-keys` does it. `identity` is bound into the ciphertext as associated data. */
export interface PayloadEncryption {
  seal(plain: Buffer, identity: string): SealedPayload;
  /** @throws when it was altered or comes from another row */
  open(sealed: SealedPayload, identity: string): Buffer;
}

export interface SealedPayload {
  ciphertext: Buffer;
  wrappedDataKey: Buffer;
  kekId: string;
}

/** Where they are kept, for whoever wraps the data keys of everything anew. */
export const OUTBOX_EFFECTS = {
  table: 'outbox_effects',
  key: ['id'],
  uses: ['kind', 'target'],
  ciphertext: 'sealed',
  identityOf: ([id, kind, target]: readonly string[]) => payloadIdentity({ id: id!, kind: kind!, target: target! }),
} as const;

/** Who can write into the table still cannot have a link sent to somebody else. */
export function payloadIdentity({ id, kind, target }: { id: string; kind: string; target: string }): string {
  return JSON.stringify(['outbox_effects', id, kind, target]);
}
