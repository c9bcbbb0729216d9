import * as z from 'zod';
import { displayNameProblem } from '../clients/display-name.ts';
import type { Problem } from '../clients/problem.ts';
import { isScopeName } from '../clients/scope.ts';
import { cidrBlock } from '../platform/http/client-address.ts';

/** Whose key it is. `system` belongs to the installation: monitoring, automation. */
export type Owner = { kind: 'user'; id: string } | { kind: 'service_account'; id: string } | { kind: 'system' };
export type OwnerKind = Owner['kind'];

/** The subject of what system keys do. No id of ours looks like it. */
export const SYSTEM_SUBJECT = 'urn:daemun:system';

/** Scopes by resource server's identifier. A resource server without scopes may be called, and that is all. */
export type Access = Record<string, string[]>;

export type ApiKeyStatus = 'active' | 'expired' | 'revoked';

/** What may be seen of a key: nothing that could be presented or compared. */
export interface ApiKey {
  id: string;
  owner: Owner;
  name: string;
  description?: string;
  prefix: string;
  /** The last four characters. */
  hint: string;
  /** As it was given. At use it is held against what its owner may then. */
  access: Access;
  /** CIDR blocks that it may be used from; empty means anywhere. */
  allowedAddresses: string[];
  status: ApiKeyStatus;
  createdAt: Date;
  /** The id of whoever made it; "cli", "system". */
  createdBy?: string;
  /** Absent: never. */
  expiresAt?: Date;
  /** To the minute. */
  lastUsedAt?: Date;
  /** Ids: the key that this one came after by rotation, and the one that came after this. */
  replaces?: string;
  rotatedTo?: string;
  revokedAt?: Date;
  revokedBy?: string;
  revocationReason?: string;
}

/** A key that makes keys gives no more than it may itself: its rights, and the addresses that it is bound to. */
export interface Bounds {
  within?: Access;
  /** CIDR blocks; absent or empty: it is bound to none. */
  addresses?: string[];
}

/** On whose behalf keys are managed. */
export type Acting = ({ as: 'owner'; subject: string } | { as: 'administrator' }) & Bounds;

const MAX_RESOURCES = 50;
const MAX_SCOPES = 200;
const MAX_ADDRESSES = 50;
const MAX_DESCRIPTION = 500;

export const nameSchema = z.string().superRefine((text, context) => {
  const message = displayNameProblem(text);
  if (message) context.addIssue({ code: 'custom', message });
});

export const descriptionSchema = z
  .string()
  .trim()
  .max(MAX_DESCRIPTION, `must not be longer than ${MAX_DESCRIPTION} characters`)
  .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'must not have control characters');

/** `{ "https://api.example.com": ["read"] }`. Whether these exist is looked up later. */
export const accessSchema = z
  .record(z.string().max(500), z.array(z.string().refine(isScopeName, 'is not the name of a scope')).max(MAX_SCOPES))
  .refine(
    (access) => Object.keys(access).length <= MAX_RESOURCES,
    `must not name more than ${MAX_RESOURCES} resource servers`,
  );

const addresses = z
  .array(
    z.string().transform((text, context) => {
      const range = cidrBlock(text);
      if (range) return range;
      context.addIssue({ code: 'custom', message: 'must be an address or a CIDR block: 192.0.2.0/24, 2001:db8::/48' });
      return z.NEVER;
    }),
  )
  .max(MAX_ADDRESSES, `must not have more than ${MAX_ADDRESSES} entries`);

/** Years of more than four digits have no spelling that we and PostgreSQL both read; an offset leads there. */
const FIRST_WITHOUT_SPELLING = new Date('9999-12-31T00:00:00Z');

/** A moment with its offset (RFC 3339), or null for never. */
const expiry = z.iso
  .datetime({ offset: true, error: 'must be a time such as 2027-01-31T00:00:00Z' })
  .transform((text) => new Date(text))
  .refine((time) => time < FIRST_WITHOUT_SPELLING, 'must be before the year 10000')
  .nullable();

export const newApiKeySchema = z.strictObject({
  name: nameSchema,
  description: descriptionSchema.optional(),
  access: accessSchema.refine((access) => Object.keys(access).length > 0, 'must name at least one resource server'),
  /** Absent: the configured lifetime, 90 days unless it was changed. Null: never, for administrators only. */
  expiresAt: expiry.optional(),
  /** Addresses or CIDR blocks that it may be used from. Absent or empty: anywhere. */
  allowedAddresses: addresses.optional(),
});

/** What is absent stays. */
export const apiKeyChangesSchema = z.strictObject({
  name: nameSchema.optional(),
  description: descriptionSchema.nullable().optional(),
  access: newApiKeySchema.shape.access.optional(),
  expiresAt: expiry.optional(),
  allowedAddresses: addresses.optional(),
});

export const MAX_OVERLAP = 30 * 86_400;
export const DEFAULT_OVERLAP = 86_400;

export const rotationSchema = z.strictObject({
  /** How long the key before goes on working, in seconds: a day unless said otherwise, at most 30 days. */
  overlapSeconds: z.int().min(0).max(MAX_OVERLAP, 'must be from 0 seconds to 30 days').optional(),
  /** As of a new key; absent: as long as the key before was made for. */
  expiresAt: expiry.optional(),
});

export type NewApiKey = z.input<typeof newApiKeySchema>;
export type ApiKeyChanges = z.input<typeof apiKeyChangesSchema>;
export type Rotation = z.input<typeof rotationSchema>;

/** Reads what came from outside; problems are named by their field, `access.https://…`. */
export function parseWith<Output>(
  schema: z.ZodType<Output>,
  input: unknown,
): { kind: 'valid'; value: Output } | { kind: 'refused'; problems: Problem[] } {
  const result = schema.safeParse(input);
  if (result.success) return { kind: 'valid', value: result.data };
  const problems = result.error.issues.flatMap((issue): Problem[] => {
    const field = issue.path.join('.');
    if (issue.code !== 'unrecognized_keys') return [{ field: field || 'body', message: issue.message }];
    return issue.keys.map((key) => ({ field: [...issue.path, key].join('.'), message: 'is not known here' }));
  });
  return { kind: 'refused', problems };
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether it can be the id of a key or an owner at all; PostgreSQL refuses to read anything else. */
export function isId(text: string): boolean {
  return UUID.test(text);
}
