import * as z from 'zod';
import { type Access, accessSchema, descriptionSchema, nameSchema } from './api-key.ts';

export type ServiceAccountState = 'active' | 'disabled' | 'deleted';

/** A principal that is a program. `id` is its subject, which can never be a person's: a UUIDv8, where people have a UUIDv7. S-049 */
export interface ServiceAccount {
  id: string;
  name: string;
  description?: string;
  /** What it may, and so the most that its keys and clients may: scopes by resource server's identifier. */
  access: Access;
  state: ServiceAccountState;
  createdAt: Date;
  /** The id of whoever made it; "cli". */
  createdBy?: string;
  updatedAt: Date;
  disabledAt?: Date;
}

/** What its clients need at each request. */
export interface ActingServiceAccount {
  id: string;
  name: string;
  isActive: boolean;
  access: Access;
}

export const newServiceAccountSchema = z.strictObject({
  name: nameSchema,
  description: descriptionSchema.optional(),
  /** Absent: nothing yet. */
  access: accessSchema.optional(),
});

/** What is absent stays. */
export const serviceAccountChangesSchema = z.strictObject({
  name: nameSchema.optional(),
  description: descriptionSchema.nullable().optional(),
  access: accessSchema.optional(),
});

export type NewServiceAccount = z.input<typeof newServiceAccountSchema>;
export type ServiceAccountChanges = z.input<typeof serviceAccountChangesSchema>;
