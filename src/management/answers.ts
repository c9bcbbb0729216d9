import * as z from 'zod';
import type { Account } from '../accounts/account.ts';
import type { UserSession } from '../accounts/sessions.ts';
import type { ApiKey } from '../api-keys/api-key.ts';
import type { ServiceAccount } from '../api-keys/service-account.ts';

/** What the API answers with. Each member is named: nothing that a row has beside them gets out. S-173 */

const moment = z.iso.datetime().meta({ description: 'RFC 3339, in UTC.' });
const id = z.string();
const access = z
  .record(z.string(), z.array(z.string()))
  .meta({ description: 'Scopes by the identifier of their resource server.' });

const owner = z
  .strictObject({ kind: z.enum(['user', 'service_account', 'system']), id: id.optional() })
  .meta({ description: 'Whose it is; the installation itself has no id.' });

export const apiKeySchema = z
  .strictObject({
    id,
    owner,
    name: z.string(),
    description: z.string().optional(),
    prefix: z.string(),
    hint: z.string().meta({ description: 'The last four characters of the value.' }),
    access,
    allowedAddresses: z.array(z.string()).meta({ description: 'CIDR blocks; empty: from anywhere.' }),
    status: z.enum(['active', 'expired', 'revoked']),
    createdAt: moment,
    createdBy: z.string().optional(),
    expiresAt: moment.nullable().meta({ description: 'Null: never.' }),
    lastUsedAt: moment.optional().meta({ description: 'To the minute.' }),
    replaces: id.optional().meta({ description: 'The key that this one came after by rotation.' }),
    rotatedTo: id.optional().meta({ description: 'The key that came after this one.' }),
    revokedAt: moment.optional(),
    revokedBy: z.string().optional(),
    revocationReason: z.string().optional(),
  })
  .meta({ id: 'ApiKey' });

/** `key`: the only time that it is to be seen. */
export const newApiKeyAnswer = z
  .strictObject({
    ...apiKeySchema.shape,
    key: z.string().meta({ description: 'The value. It is shown now and never again.' }),
  })
  .meta({ id: 'NewApiKey' });

export function apiKeyView(key: ApiKey): z.output<typeof apiKeySchema> {
  const { createdAt, expiresAt, lastUsedAt, revokedAt } = key;
  return {
    id: key.id,
    owner: key.owner,
    name: key.name,
    ...(key.description !== undefined && { description: key.description }),
    prefix: key.prefix,
    hint: key.hint,
    access: key.access,
    allowedAddresses: key.allowedAddresses,
    status: key.status,
    createdAt: createdAt.toISOString(),
    ...(key.createdBy !== undefined && { createdBy: key.createdBy }),
    expiresAt: expiresAt?.toISOString() ?? null,
    ...(lastUsedAt && { lastUsedAt: lastUsedAt.toISOString() }),
    ...(key.replaces !== undefined && { replaces: key.replaces }),
    ...(key.rotatedTo !== undefined && { rotatedTo: key.rotatedTo }),
    ...(revokedAt && { revokedAt: revokedAt.toISOString() }),
    ...(key.revokedBy !== undefined && { revokedBy: key.revokedBy }),
    ...(key.revocationReason !== undefined && { revocationReason: key.revocationReason }),
  };
}

export const serviceAccountSchema = z
  .strictObject({
    id,
    name: z.string(),
    description: z.string().optional(),
    access: access.meta({ description: 'What it may, and so the most that its keys and clients may.' }),
    state: z.enum(['active', 'disabled']),
    createdAt: moment,
    createdBy: z.string().optional(),
    updatedAt: moment,
    disabledAt: moment.optional(),
  })
  .meta({ id: 'ServiceAccount' });

export function serviceAccountView(account: ServiceAccount): z.output<typeof serviceAccountSchema> {
  return {
    id: account.id,
    name: account.name,
    ...(account.description !== undefined && { description: account.description }),
    access: account.access,
    state: account.state === 'active' ? 'active' : 'disabled',
    createdAt: account.createdAt.toISOString(),
    ...(account.createdBy !== undefined && { createdBy: account.createdBy }),
    updatedAt: account.updatedAt.toISOString(),
    ...(account.disabledAt && { disabledAt: account.disabledAt.toISOString() }),
  };
}

const profileShape = {
  userName: z.string().optional(),
  name: z.string().optional(),
  givenName: z.string().optional(),
  familyName: z.string().optional(),
  picture: z.string().optional(),
  locale: z.string().optional(),
  zoneinfo: z.string().optional(),
  email: z.strictObject({ address: z.string(), verified: z.boolean() }).optional(),
};
const profile = z.strictObject(profileShape);

export const roles = z.array(z.enum(['administrator']));

export const userSchema = z
  .strictObject({ id, ...profileShape, roles, state: z.enum(['active', 'disabled', 'deleted']), updatedAt: moment })
  .meta({ id: 'User' });

export function profileView(account: Account): z.output<typeof profile> {
  const { userName, name, givenName, familyName, picture, locale, zoneinfo, email } = account;
  const texts = { userName, name, givenName, familyName, picture, locale, zoneinfo };
  const known = Object.fromEntries(Object.entries(texts).filter(([, value]) => value !== undefined && value !== null));
  return { ...known, ...(email && { email: { address: email.address, verified: email.verified } }) };
}

export function userView(account: Account): z.output<typeof userSchema> {
  const { id, isAdministrator, state, updatedAt } = account;
  return {
    id,
    ...profileView(account),
    roles: isAdministrator ? ['administrator'] : [],
    state,
    updatedAt: updatedAt.toISOString(),
  };
}

export const meSchema = z
  .strictObject({
    subject: z.string().meta({ description: 'The `sub` of tokens.' }),
    kind: z.enum(['user', 'service_account', 'system']),
    roles,
    profile: profile.optional().meta({ description: 'Of people, for credentials with the scope `profile:read`.' }),
    authentication: z
      .strictObject({
        method: z.enum(['administrator_session', 'api_key', 'access_token', 'session']),
        scopes: z.array(z.string()).meta({ description: 'What this credential may at this moment.' }),
        apiKeyId: id.optional(),
        clientId: z.string().optional(),
        actor: z.string().optional().meta({ description: 'The client that acts for the subject.' }),
        sessionId: z.string().optional(),
        signedInAt: moment.optional(),
        amr: z.array(z.string()).optional(),
        expiresAt: moment.optional(),
      })
      .meta({ description: 'How this request was authenticated.' }),
  })
  .meta({ id: 'Me' });

export const sessionSchema = z
  .strictObject({
    id,
    current: z.boolean().meta({ description: 'The one that asks.' }),
    device: z.string().optional(),
    userAgent: z.string().optional(),
    address: z.string().optional(),
    provider: z.string().optional().meta({ description: 'The upstream that the sign-in came from.' }),
    amr: z.array(z.string()),
    createdAt: moment,
    lastUsedAt: moment,
  })
  .meta({ id: 'Session' });

export function sessionView(session: UserSession, current: string | undefined): z.output<typeof sessionSchema> {
  const { uid, device, userAgent, address, provider, amr, createdAt, lastUsedAt } = session;
  return {
    id: uid,
    current: uid === current,
    ...(device !== undefined && { device }),
    ...(userAgent !== undefined && { userAgent }),
    ...(address !== undefined && { address }),
    ...(provider !== undefined && { provider }),
    amr,
    createdAt: createdAt.toISOString(),
    lastUsedAt: lastUsedAt.toISOString(),
  };
}

/** RFC 9457, with what we add. */
export const problemSchema = z
  .strictObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string().optional(),
    code: z.string().meta({ description: 'Stable; docs/errors.md lists them.' }),
    field: z.string().optional(),
    errors: z.array(z.strictObject({ field: z.string(), message: z.string() })).optional(),
    max_age: z.int().optional().meta({ description: 'Seconds that the sign-in may be old.' }),
    retry_after: z.int().optional(),
    request_id: z.string().optional().meta({ description: 'Absent where there was no room to look at the request.' }),
  })
  .meta({ id: 'Problem' });
