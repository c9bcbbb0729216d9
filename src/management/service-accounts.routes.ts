import { OWN_API_PATH } from '../api-keys/own-api.ts';
import { problemsBeyond } from '../api-keys/rights.ts';
import { newServiceAccountSchema, serviceAccountChangesSchema } from '../api-keys/service-account.ts';
import type { ServiceAccounts } from '../api-keys/service-accounts.ts';
import { invalidFields, notFound } from '../platform/errors.ts';
import { serviceAccountSchema, serviceAccountView } from './answers.ts';
import { actorOf, FRESH_FOR_ADMINISTRATION } from './api-keys.routes.ts';
import type { Caller } from './caller.ts';
import type { Handlers, OperationSpec } from './operation.ts';
import { pageAnswer, pageOf, pageQuery, pageSchema } from './page.ts';

const NONE = { 404: 'No such service account.' };
const TAG = 'Service accounts';

export const serviceAccountOperations = {
  listServiceAccounts: {
    method: 'GET',
    path: '/service-accounts',
    tag: TAG,
    summary: 'List service accounts, oldest first',
    scopes: ['service-accounts:read'],
    query: pageQuery,
    answer: { status: 200, description: 'A page.', schema: pageSchema(serviceAccountSchema) },
  },
  createServiceAccount: {
    method: 'POST',
    path: '/service-accounts',
    tag: TAG,
    summary: 'Make a service account',
    description: 'A subject that is a program. Its keys are made under `/api-keys?owner=service_account:<id>`.',
    scopes: ['service-accounts:write'],
    freshSignIn: FRESH_FOR_ADMINISTRATION,
    body: newServiceAccountSchema,
    answer: {
      status: 201,
      description: 'The service account.',
      schema: serviceAccountSchema,
      headers: { Location: 'Where it is from now on.' },
    },
  },
  getServiceAccount: {
    method: 'GET',
    path: '/service-accounts/{id}',
    tag: TAG,
    summary: 'Show a service account',
    scopes: ['service-accounts:read'],
    answer: { status: 200, description: 'The service account.', schema: serviceAccountSchema },
    problems: NONE,
  },
  changeServiceAccount: {
    method: 'PATCH',
    path: '/service-accounts/{id}',
    tag: TAG,
    summary: 'Change a service account',
    description: 'What is absent stays. Its keys and clients may less from the next use on.',
    scopes: ['service-accounts:write'],
    freshSignIn: FRESH_FOR_ADMINISTRATION,
    body: serviceAccountChangesSchema,
    answer: { status: 200, description: 'As it is now.', schema: serviceAccountSchema },
    problems: NONE,
  },
  deleteServiceAccount: {
    method: 'DELETE',
    path: '/service-accounts/{id}',
    tag: TAG,
    summary: 'Remove a service account',
    description: 'For good: its keys are revoked, and its id is never used again.',
    scopes: ['service-accounts:write'],
    freshSignIn: FRESH_FOR_ADMINISTRATION,
    answer: { status: 204, description: 'It is gone.' },
    problems: NONE,
  },
  disableServiceAccount: {
    method: 'POST',
    path: '/service-accounts/{id}/disable',
    tag: TAG,
    summary: 'Let a service account do nothing',
    description: 'Its keys and clients are refused, on every node when it is answered.',
    scopes: ['service-accounts:write'],
    freshSignIn: FRESH_FOR_ADMINISTRATION,
    answer: { status: 204, description: 'It is disabled.' },
    problems: NONE,
  },
  enableServiceAccount: {
    method: 'POST',
    path: '/service-accounts/{id}/enable',
    tag: TAG,
    summary: 'Let it work again',
    scopes: ['service-accounts:write'],
    freshSignIn: FRESH_FOR_ADMINISTRATION,
    answer: { status: 204, description: 'It is active.' },
    problems: NONE,
  },
} as const satisfies Record<string, OperationSpec>;

export interface ServiceAccountOptions {
  serviceAccounts: Omit<ServiceAccounts, 'findActing'>;
}

export function serviceAccountHandlers({
  serviceAccounts,
}: ServiceAccountOptions): Handlers<typeof serviceAccountOperations> {
  return {
    async listServiceAccounts({ ctx, query }) {
      const { serviceAccounts: found, next } = await serviceAccounts.list(pageOf(query));
      return pageAnswer(ctx, found.map(serviceAccountView), next);
    },

    async createServiceAccount({ ctx, caller, body, by }) {
      checkWithin(caller, body.access);
      const outcome = await serviceAccounts.create(body, { ...by, ...actorOf(caller) });
      if (outcome.kind === 'refused') throw invalidFields(outcome.problems);
      ctx.set('Location', `${OWN_API_PATH}/service-accounts/${outcome.serviceAccount.id}`);
      return serviceAccountView(outcome.serviceAccount);
    },

    async getServiceAccount({ params }) {
      const found = await serviceAccounts.find(params.id!);
      if (!found) throw notFound();
      return serviceAccountView(found);
    },

    async changeServiceAccount({ caller, params, body, by }) {
      checkWithin(caller, body.access);
      const outcome = await serviceAccounts.change(params.id!, body, { ...by, ...actorOf(caller) });
      if (outcome.kind === 'refused') throw invalidFields(outcome.problems);
      if (outcome.kind === 'not_found') throw notFound();
      return serviceAccountView(outcome.serviceAccount);
    },

    deleteServiceAccount: ({ caller, params, by }) =>
      done(serviceAccounts.delete(params.id!, { ...by, ...actorOf(caller) })),
    disableServiceAccount: ({ caller, params, by }) =>
      done(serviceAccounts.disable(params.id!, { ...by, ...actorOf(caller) })),
    enableServiceAccount: ({ caller, params, by }) =>
      done(serviceAccounts.enable(params.id!, { ...by, ...actorOf(caller) })),
  };
}

/** A key or token gives no more than it has itself. */
function checkWithin({ within }: Caller, access: Record<string, string[]> = {}): void {
  const problems = problemsBeyond(access, within);
  if (problems.length > 0) throw invalidFields(problems);
}

async function done(outcome: Promise<'done' | 'unchanged' | 'not_found'>): Promise<void> {
  if ((await outcome) === 'not_found') throw notFound();
}
