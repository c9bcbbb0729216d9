import type { Context } from 'koa';
import type { ApiKey } from '../api-keys/api-key.ts';
import type { ApiKeyValue } from '../api-keys/api-key-value.ts';
import type { AuditContext } from '../audit/audit.ts';
import { formOf, seeOther } from '../interactions/guards.ts';
import type { Screens } from '../interactions/screens.ts';
import type { Problems } from '../interactions/view-parts.ts';
import { notFound } from '../platform/errors.ts';
import type { Csrf } from '../platform/http/csrf.ts';
import { auditContextOf } from '../provider/audit-context.ts';
import type { AccountSignIn } from './account-sign-in.ts';
import {
  type Filled,
  type FormContext,
  fieldsOfProblems,
  filledAtFirst,
  filledIn,
  formView,
  readApiKeyForm,
} from './api-key-form.ts';
import { maskedValue } from './api-keys-page.ts';
import type { ExpiryPolicy } from './expiry-choices.ts';
import { offeredRights } from './offered-rights.ts';
import { accountFrame, sessionOf } from './own-session.ts';
import type { Parting, PartingWords } from './parting-words.ts';
import { API_KEY_VALUE_PATH, API_KEYS_PATH, apiKeyPath, NEW_API_KEY_PATH } from './paths.ts';
import type { ListsResourceServers, ManagesApiKeys } from './ports.ts';

export interface ApiKeyPagesOptions {
  issuer: string;
  screens: Screens;
  csrf: Csrf;
  apiKeys: ManagesApiKeys;
  resourceServers: ListsResourceServers;
  parting: Parting;
  signIn: AccountSignIn;
  policy: Omit<ExpiryPolicy, 'isUnlimited'>;
}

/** Making and changing keys of one's own. */
export function createApiKeyPages(options: ApiKeyPagesOptions) {
  const { screens, csrf, apiKeys, parting, signIn, policy } = options;

  async function contextOf(ctx: Context, key?: ApiKey): Promise<FormContext> {
    const { account } = sessionOf(ctx);
    const offered = await offeredRights(options, account);
    return { offered, policy: { ...policy, isUnlimited: account.isAdministrator }, ...(key && { key }) };
  }

  function show(ctx: Context, context: FormContext, filled: Filled, problems?: Problems, status = 200): void {
    const { key } = context;
    const action = key ? apiKeyPath(key.id) : NEW_API_KEY_PATH;
    const view = {
      ...accountFrame(ctx),
      action,
      csrf: csrf.token(ctx),
      backUrl: API_KEYS_PATH,
      ...formView(filled, context),
      ...(key && { key: { name: key.name, masked: maskedValue(key) } }),
      ...(problems && { problems }),
    };
    screens.show(ctx, 'api-key-form', view, { status, path: action });
  }

  return {
    async showNew(ctx: Context): Promise<void> {
      const context = await contextOf(ctx);
      show(ctx, context, filledAtFirst(context));
    },

    async make(ctx: Context): Promise<void> {
      const { account } = sessionOf(ctx);
      const filled = filledIn(formOf(ctx));
      const context = await contextOf(ctx);
      const read = readApiKeyForm(filled, context);
      if (read.kind === 'refused') return show(ctx, context, filled, { fields: read.fields }, 422);
      const owner = { kind: 'user', id: account.id } as const;
      const outcome = await apiKeys.create(owner, read.input, actingAsOwner(ctx), auditContext(ctx));
      switch (outcome.kind) {
        case 'created':
          parting.say(ctx, wordsOfValue(outcome));
          return seeOther(ctx, API_KEY_VALUE_PATH);
        case 'refused':
          return show(ctx, context, filled, { fields: fieldsOfProblems(outcome.problems) }, 422);
        case 'limit_reached':
          return show(ctx, context, filled, { summary: { key: 'api-key.full' } }, 409);
        case 'owner_not_found':
          // Disabled since the request began.
          return signIn.begin(ctx, NEW_API_KEY_PATH);
      }
    },

    async showChange(ctx: Context): Promise<void> {
      const key = await findLive(ctx);
      if (!key) return;
      const context = await contextOf(ctx, key);
      show(ctx, context, filledAtFirst(context));
    },

    async change(ctx: Context): Promise<void> {
      const key = await findLive(ctx);
      if (!key) return;
      const filled = filledIn(formOf(ctx));
      const context = await contextOf(ctx, key);
      const read = readApiKeyForm(filled, context);
      if (read.kind === 'refused') return show(ctx, context, filled, { fields: read.fields }, 422);
      const outcome = await apiKeys.change(key.id, read.input, actingAsOwner(ctx), auditContext(ctx));
      if (outcome.kind === 'not_found') throw notFound();
      if (outcome.kind === 'refused') {
        return show(ctx, context, filled, { fields: fieldsOfProblems(outcome.problems) }, 422);
      }
      if (outcome.kind === 'ended') return backToList(ctx, 'ended', key.name);
      return backToList(ctx, 'changed', outcome.apiKey.name);
    },

    findLive,
    backToList,
  };

  /** One of one's own that works; with another there is nothing to do, which the list says. @throws AppError not_found */
  async function findLive(ctx: Context): Promise<ApiKey | undefined> {
    const key = await apiKeys.find(ctx.params.id, actingAsOwner(ctx));
    if (!key) throw notFound();
    if (key.status === 'active') return key;
    backToList(ctx, 'ended', key.name);
    return undefined;
  }

  function backToList(ctx: Context, notice: Extract<PartingWords, { kind: 'notice' }>['notice'], name: string): void {
    parting.say(ctx, { kind: 'notice', notice, name });
    seeOther(ctx, API_KEYS_PATH);
  }
}

export type ApiKeyPages = ReturnType<typeof createApiKeyPages>;

export function actingAsOwner(ctx: Context) {
  return { as: 'owner', subject: sessionOf(ctx).account.id } as const;
}

export function auditContext(ctx: Context): AuditContext {
  return { ...auditContextOf(ctx.state), actor: sessionOf(ctx).account.id };
}

export function wordsOfValue({
  apiKey,
  value,
}: {
  apiKey: ApiKey;
  value: ApiKeyValue;
}): Extract<PartingWords, { kind: 'value' }> {
  const { name, expiresAt, access } = apiKey;
  return {
    kind: 'value',
    name,
    value: value.reveal(),
    ...(expiresAt && { expiresAt: expiresAt.toISOString() }),
    resource: Object.keys(access)[0] ?? '',
  };
}
