import * as z from 'zod';
import type { Account } from '../accounts/account.ts';
import type { UserSessions } from '../accounts/sessions.ts';
import { forbidden, notFound } from '../platform/errors.ts';
import type { Csrf } from '../platform/http/csrf.ts';
import { meSchema, profileView, sessionSchema, sessionView } from './answers.ts';
import type { Caller } from './caller.ts';
import { CSRF_HEADER } from './guard.ts';
import type { Handlers, OperationSpec } from './operation.ts';

export const meOperations = {
  getMe: {
    method: 'GET',
    path: '/me',
    tag: 'Me',
    summary: 'Who you are, and what this credential may',
    scopes: [],
    answer: { status: 200, description: 'Whoever the credential speaks for.', schema: meSchema },
  },
  getCsrfToken: {
    method: 'GET',
    path: '/me/csrf-token',
    tag: 'Me',
    summary: 'The token that a browser session sends with every change',
    description: `For pages of this server: send it as ${CSRF_HEADER}. It belongs to this browser.`,
    scopes: [],
    answer: {
      status: 200,
      description: 'The token, and the header it goes into.',
      schema: z.strictObject({ token: z.string(), header: z.string() }),
    },
    problems: { 403: 'Keys and tokens need none.' },
  },
  listMySessions: {
    method: 'GET',
    path: '/me/sessions',
    tag: 'Me',
    summary: 'Where you are signed in',
    scopes: ['sessions:read'],
    answer: {
      status: 200,
      description: 'Sessions that have not ended, last used first.',
      schema: z.strictObject({ items: z.array(sessionSchema) }),
    },
    problems: { 403: 'Or not a person: nobody else has sessions.' },
  },
  endMyOtherSessions: {
    method: 'DELETE',
    path: '/me/sessions',
    tag: 'Me',
    summary: 'Sign out everywhere else',
    description: 'Ends every session but the one that asks; asked with a key or token, every session.',
    scopes: ['sessions:write'],
    answer: {
      status: 200,
      description: 'How many were ended.',
      schema: z.strictObject({ ended: z.int() }),
    },
    problems: { 403: 'Or not a person: nobody else has sessions.' },
  },
  endMySession: {
    method: 'DELETE',
    path: '/me/sessions/{id}',
    tag: 'Me',
    summary: 'End one of your sessions',
    description: 'Also the one that asks.',
    scopes: ['sessions:write'],
    answer: { status: 204, description: 'It has ended, everywhere and at once.' },
    problems: { 404: 'No session of yours that goes on.' },
  },
} as const satisfies Record<string, OperationSpec>;

export interface MeOptions {
  findAccount(id: string): Promise<Account | undefined>;
  sessions: Pick<UserSessions, 'list' | 'end' | 'endAll'>;
  csrf: Pick<Csrf, 'token'>;
}

export function meHandlers({ findAccount, sessions, csrf }: MeOptions): Handlers<typeof meOperations> {
  return {
    async getMe({ caller }) {
      const { principal, session, expiresAt } = caller;
      const account = await profileOf(caller);
      return {
        subject: principal.id,
        kind: principal.kind,
        roles: caller.isAdministrator ? ['administrator'] : [],
        ...(account && { profile: profileView(account) }),
        authentication: {
          method: caller.via,
          scopes: [...caller.scopes].sort(),
          ...(caller.apiKeyId !== undefined && { apiKeyId: caller.apiKeyId }),
          ...(caller.clientId !== undefined && { clientId: caller.clientId }),
          ...(caller.actor !== undefined && { actor: caller.actor }),
          ...(session && { sessionId: session.uid, signedInAt: session.signedInAt.toISOString(), amr: session.amr }),
          ...(expiresAt && { expiresAt: expiresAt.toISOString() }),
        },
      };
    },

    async getCsrfToken({ ctx, caller }) {
      if (!caller.session) throw forbidden('Only browser sessions need a token: send nothing but the key or token.');
      return { token: csrf.token(ctx), header: CSRF_HEADER };
    },

    async listMySessions({ caller }) {
      const list = await sessions.list(personOf(caller));
      return { items: list.map((each) => sessionView(each, caller.session?.uid)) };
    },

    async endMyOtherSessions({ caller, by }) {
      const except = caller.session?.uid;
      const userId = personOf(caller);
      return { ended: await sessions.endAll({ userId, ...(except !== undefined && { except }) }, by) };
    },

    async endMySession({ caller, params, by }) {
      const outcome = await sessions.end({ userId: personOf(caller), uid: params.id! }, by);
      if (outcome === 'not_found') throw notFound('You have no such session.');
      return undefined;
    },
  };

  /** Read only for whoever may see it. */
  async function profileOf({ principal, scopes }: Caller): Promise<Account | undefined> {
    if (principal.kind !== 'user' || !scopes.has('profile:read')) return undefined;
    return principal.account ?? (await findAccount(principal.id));
  }
}

function personOf({ principal }: Caller): string {
  if (principal.kind !== 'user') throw forbidden('Only people have sessions.');
  return principal.id;
}
