import type { Accounts } from '../accounts/accounts.ts';
import { notFound } from '../platform/errors.ts';
import { userSchema, userView } from './answers.ts';
import type { Handlers, OperationSpec } from './operation.ts';
import { pageAnswer, pageOf, pageQuery, pageSchema } from './page.ts';

export const userOperations = {
  listUsers: {
    method: 'GET',
    path: '/users',
    tag: 'Users',
    summary: 'List people',
    scopes: ['users:read'],
    query: pageQuery,
    answer: { status: 200, description: 'A page.', schema: pageSchema(userSchema) },
  },
  getUser: {
    method: 'GET',
    path: '/users/{id}',
    tag: 'Users',
    summary: 'Show a person',
    scopes: ['users:read'],
    answer: { status: 200, description: 'The person.', schema: userSchema },
    problems: { 404: 'No such person.' },
  },
} as const satisfies Record<string, OperationSpec>;

export interface UserOptions {
  accounts: Pick<Accounts, 'find' | 'list'>;
}

export function userHandlers({ accounts }: UserOptions): Handlers<typeof userOperations> {
  return {
    async listUsers({ ctx, query }) {
      const { accounts: found, next } = await accounts.list(pageOf(query));
      return pageAnswer(ctx, found.map(userView), next);
    },
    async getUser({ params }) {
      const account = await accounts.find(params.id!);
      if (!account) throw notFound();
      return userView(account);
    },
  };
}
