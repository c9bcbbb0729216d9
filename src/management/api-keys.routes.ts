import * as z from 'zod';
import {
  type Acting,
  type ApiKey,
  apiKeyChangesSchema,
  type Bounds,
  isId,
  newApiKeySchema,
  type Owner,
  rotationSchema,
} from '../api-keys/api-key.ts';
import type { ApiKeyValue } from '../api-keys/api-key-value.ts';
import type { ApiKeys, ChangeOutcome, CreateOutcome, RotateOutcome } from '../api-keys/api-keys.ts';
import { OWN_API_PATH } from '../api-keys/own-api.ts';
import type { AuditContext } from '../audit/audit.ts';
import { type AppError, badRequest, conflict, insufficientScope, invalidFields, notFound } from '../platform/errors.ts';
import { apiKeySchema, apiKeyView, newApiKeyAnswer } from './answers.ts';
import type { Caller } from './caller.ts';
import { requireFreshSignIn } from './guard.ts';
import type { Handlers, OperationSpec } from './operation.ts';
import { pageAnswer, pageOf, pageQuery, pageSchema } from './page.ts';

/** Seconds that a sign-in may be old: to give away rights, and to change what is others'. S-156 */
export const FRESH_FOR_KEYS = 5 * 60;
export const FRESH_FOR_ADMINISTRATION = 15 * 60;

const owner = z
  .string()
  .regex(/^(?:(?:user|service_account):[0-9a-f-]{36}|system|any)$/, 'must be user:<id>, service_account:<id> or system')
  .optional()
  .meta({ description: '`user:<id>`, `service_account:<id>` or `system`: for administrators. Absent: yours.' });

const LATER = { 404: 'No key of yours, or none at all.', 409: 'It has expired, was revoked, or has a successor.' };

export const apiKeyOperations = {
  listApiKeys: {
    method: 'GET',
    path: '/api-keys',
    tag: 'API keys',
    summary: 'List API keys, newest first',
    description: 'Also expired and revoked ones, for as long as they are kept. `owner=any`, for administrators: all.',
    scopes: ['api-keys:read', 'admin:api-keys:read'],
    query: z.strictObject({ ...pageQuery.shape, owner }),
    answer: { status: 200, description: 'A page.', schema: pageSchema(apiKeySchema) },
  },
  createApiKey: {
    method: 'POST',
    path: '/api-keys',
    tag: 'API keys',
    summary: 'Make an API key',
    description: 'A key or token makes no key that may more than it may itself, or from more addresses.',
    scopes: ['api-keys:write', 'admin:api-keys:write'],
    freshSignIn: FRESH_FOR_KEYS,
    query: z.strictObject({ owner }),
    body: newApiKeySchema,
    answer: {
      status: 201,
      description: 'The key, with its value.',
      schema: newApiKeyAnswer,
      headers: { Location: 'Where it is from now on.' },
    },
    problems: { 404: 'No such owner.', 409: 'The owner has as many active keys as one may have.' },
  },
  getApiKey: {
    method: 'GET',
    path: '/api-keys/{id}',
    tag: 'API keys',
    summary: 'Show an API key',
    scopes: ['api-keys:read', 'admin:api-keys:read'],
    answer: { status: 200, description: 'The key, without its value.', schema: apiKeySchema },
    problems: { 404: LATER[404] },
  },
  changeApiKey: {
    method: 'PATCH',
    path: '/api-keys/{id}',
    tag: 'API keys',
    summary: 'Change an API key',
    description: 'What is absent stays. Rights and addresses hold on every node when it is answered.',
    scopes: ['api-keys:write', 'admin:api-keys:write'],
    freshSignIn: FRESH_FOR_KEYS,
    body: apiKeyChangesSchema,
    answer: { status: 200, description: 'The key as it is now.', schema: apiKeySchema },
    problems: LATER,
  },
  revokeApiKey: {
    method: 'DELETE',
    path: '/api-keys/{id}',
    tag: 'API keys',
    summary: 'Revoke an API key',
    description: 'For good, and on every node when it is answered. Revoking it again changes nothing.',
    scopes: ['api-keys:write', 'admin:api-keys:write'],
    query: z.strictObject({
      reason: z
        .string()
        .trim()
        .max(200)
        .regex(/^\P{Cc}*$/u, 'must not have control characters')
        .optional(),
    }),
    answer: { status: 204, description: 'It does not work any more.' },
    problems: { 404: LATER[404] },
  },
  rotateApiKey: {
    method: 'POST',
    path: '/api-keys/{id}/rotate',
    tag: 'API keys',
    summary: 'Replace an API key',
    description: 'A new value with the same rights; the one before works on for the overlap.',
    scopes: ['api-keys:write', 'admin:api-keys:write'],
    freshSignIn: FRESH_FOR_KEYS,
    body: rotationSchema,
    isBodyOptional: true,
    answer: {
      status: 201,
      description: 'The key that comes after, with its value, and the one before.',
      schema: z.strictObject({ ...newApiKeyAnswer.shape, replaced: apiKeySchema }),
      headers: { Location: 'Where the new key is.' },
    },
    problems: { ...LATER, 409: `${LATER[409]} Or too many that were replaced still work.` },
  },
} as const satisfies Record<string, OperationSpec>;

const READ = { own: 'api-keys:read', administrative: 'admin:api-keys:read' } as const;
const WRITE = { own: 'api-keys:write', administrative: 'admin:api-keys:write' } as const;
type Scopes = typeof READ | typeof WRITE;

export interface ApiKeysRoutesOptions {
  apiKeys: Omit<ApiKeys, 'revokeByValue'>;
}

/** Keys of one's own as their owner, where row-level security shows no others; those of others as an administrator, if that is allowed. */
export function apiKeyHandlers({ apiKeys }: ApiKeysRoutesOptions): Handlers<typeof apiKeyOperations> {
  /** First as the owner: whoever may both does to their own keys what owners do. */
  async function eitherWay<Outcome>(
    caller: Caller,
    scopes: Scopes,
    attempt: (acting: Acting, actor: { actor?: string }) => Promise<Outcome | undefined>,
  ): Promise<Outcome> {
    const acting = caller.scopes.has(scopes.own) ? ownerActing(caller) : undefined;
    const own = acting && (await attempt(acting, {}));
    if (own !== undefined) return own;
    if (!caller.scopes.has(scopes.administrative)) throw notFound();
    const others = await attempt({ as: 'administrator', ...boundsOf(caller) }, actorOf(caller));
    if (others === undefined) throw notFound();
    return others;
  }

  return {
    async listApiKeys({ ctx, caller, query }) {
      const page = pageOf(query);
      const { acting, owner } = forOwner(caller, query.owner, READ);
      const { apiKeys: found, next } = await apiKeys.list({ ...page, ...(owner && { owner }) }, acting);
      return pageAnswer(ctx, found.map(apiKeyView), next);
    },

    async createApiKey({ ctx, caller, query, body, by }) {
      const { acting, owner } = forOwner(caller, query.owner, WRITE);
      if (!owner) throw badRequest('owner', 'A key has one owner.');
      const actor = acting.as === 'administrator' ? actorOf(caller) : {};
      const created = madeOf(await apiKeys.create(owner, body, acting, { ...by, ...actor }));
      ctx.set('Location', `${OWN_API_PATH}/api-keys/${created.apiKey.id}`);
      return withValue(created);
    },

    async getApiKey({ caller, params }) {
      return apiKeyView(await eitherWay(caller, READ, (acting) => apiKeys.find(params.id!, acting)));
    },

    async changeApiKey({ caller, params, body, by }) {
      const id = params.id!;
      const outcome = await eitherWay(caller, WRITE, async (acting, actor) => {
        return unlessMissing(await apiKeys.change(id, body, acting, { ...by, ...actor }));
      });
      return apiKeyView(changedOf(outcome));
    },

    async revokeApiKey({ caller, params, query, by }) {
      await eitherWay(caller, WRITE, async (acting, actor) => {
        if (acting.as === 'administrator') requireFreshSignIn(caller, FRESH_FOR_ADMINISTRATION);
        const outcome = await apiKeys.revoke(params.id!, acting, { ...by, ...actor }, query.reason || undefined);
        return outcome === 'not_found' ? undefined : outcome;
      });
      return undefined;
    },

    async rotateApiKey({ ctx, caller, params, body, by }) {
      const id = params.id!;
      const outcome = await eitherWay(caller, WRITE, async (acting, actor) => {
        return unlessMissing(await apiKeys.rotate(id, body, acting, { ...by, ...actor }));
      });
      const rotated = rotatedOf(outcome);
      ctx.set('Location', `${OWN_API_PATH}/api-keys/${rotated.apiKey.id}`);
      return { ...withValue(rotated), replaced: apiKeyView(rotated.replaced) };
    },
  };
}

/** Undefined for the installation, which has no rows of its own to act on as their owner. */
function ownerActing(caller: Caller): Acting | undefined {
  const { principal } = caller;
  return principal.kind === 'system' ? undefined : { as: 'owner', subject: principal.id, ...boundsOf(caller) };
}

/** A key or token gives, and takes over by a new value, no more than it has itself: whomever it acts as. */
function boundsOf({ within, addresses }: Caller): Bounds {
  return { ...(within && { within }), ...(addresses && { addresses }) };
}

/** Who did it to others; a key or token is named in `by` already. */
export function actorOf({ principal, session }: Caller): Pick<AuditContext, 'actor'> {
  return session ? { actor: principal.id } : {};
}

/** Whose keys it is about, and how the caller may act on them. @throws AppError insufficient_scope */
function forOwner(caller: Caller, asked: string | undefined, scopes: Scopes): { acting: Acting; owner?: Owner } {
  const { principal } = caller;
  const own: Owner = principal.kind === 'system' ? { kind: 'system' } : { kind: principal.kind, id: principal.id };
  const owner = asked === undefined ? own : parseOwner(asked);
  const isOwn = owner?.kind === own.kind && (owner.kind === 'system' || ('id' in own && owner.id === own.id));
  const acting = isOwn && caller.scopes.has(scopes.own) ? ownerActing(caller) : undefined;
  if (acting) return { acting, owner: own };
  if (!caller.scopes.has(scopes.administrative)) {
    throw insufficientScope(`This needs the scope ${scopes.administrative}.`);
  }
  return { acting: { as: 'administrator', ...boundsOf(caller) }, ...(owner && { owner }) };
}

/** Undefined: anybody. @throws AppError bad_request */
function parseOwner(text: string): Owner | undefined {
  if (text === 'any') return undefined;
  if (text === 'system') return { kind: 'system' };
  const [kind, id = ''] = text.split(':');
  if (!isId(id)) throw badRequest('owner', 'This is not the id of anybody.');
  return { kind: kind as 'user' | 'service_account', id };
}

function unlessMissing<Outcome extends { kind: string }>(outcome: Outcome): Outcome | undefined {
  return outcome.kind === 'not_found' ? undefined : outcome;
}

function withValue({ apiKey, value }: { apiKey: ApiKey; value: ApiKeyValue }) {
  return { ...apiKeyView(apiKey), key: value.reveal() as string };
}

function madeOf(outcome: CreateOutcome): Extract<CreateOutcome, { kind: 'created' }> {
  switch (outcome.kind) {
    case 'created':
      return outcome;
    case 'refused':
      throw invalidFields(outcome.problems);
    case 'limit_reached':
      throw conflict(undefined, `There are ${outcome.limit} active keys already: revoke one first.`);
    case 'owner_not_found':
      throw notFound('There is no such owner.');
  }
}

function changedOf(outcome: ChangeOutcome): ApiKey {
  if (outcome.kind === 'changed') return outcome.apiKey;
  throw refusalOf(outcome);
}

function rotatedOf(outcome: RotateOutcome): Extract<RotateOutcome, { kind: 'rotated' }> {
  if (outcome.kind === 'rotated') return outcome;
  if (outcome.kind === 'already_rotated') {
    throw conflict(undefined, `It was replaced already, by ${outcome.rotatedTo}.`);
  }
  if (outcome.kind === 'limit_reached') {
    throw conflict(undefined, `${outcome.limit} keys work already, with those that were replaced: revoke one first.`);
  }
  throw refusalOf(outcome);
}

function refusalOf(outcome: Exclude<ChangeOutcome, { kind: 'changed' }>): AppError {
  if (outcome.kind === 'refused') return invalidFields(outcome.problems);
  if (outcome.kind === 'ended') return conflict(undefined, 'It has expired or was revoked, and stays as it was.');
  return notFound();
}
