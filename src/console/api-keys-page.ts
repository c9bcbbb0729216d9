import type { Context } from 'koa';
import type { ApiKey } from '../api-keys/api-key.ts';
import type { ApiKeyView } from '../interactions/console-views.ts';
import type { Screens } from '../interactions/screens.ts';
import type { Message } from '../platform/http/messages.ts';
import { type Offered, offeredRights, rightsView } from './offered-rights.ts';
import { accountFrame, sessionOf } from './own-session.ts';
import type { Parting, PartingWords } from './parting-words.ts';
import { API_KEYS_PATH, apiKeyPath, NEW_API_KEY_PATH } from './paths.ts';
import type { ListsResourceServers, ManagesApiKeys } from './ports.ts';

const PAGE_SIZE = 50;

const NOTICES: Record<Extract<PartingWords, { kind: 'notice' }>['notice'], string> = {
  changed: 'api-keys.notice.changed',
  revoked: 'api-keys.notice.revoked',
  ended: 'api-keys.notice.ended',
  rotated: 'api-keys.notice.rotated',
  full: 'api-keys.notice.full',
};

export interface ApiKeysPageOptions {
  issuer: string;
  screens: Screens;
  apiKeys: Pick<ManagesApiKeys, 'list'>;
  resourceServers: ListsResourceServers;
  parting: Parting;
  perOwner: number;
}

/** Somebody's own keys: never a value, never a digest. */
export function createApiKeysPage(options: ApiKeysPageOptions) {
  const { screens, apiKeys, parting, perOwner } = options;
  return {
    async show(ctx: Context): Promise<void> {
      const { account } = sessionOf(ctx);
      const { after } = ctx.query;
      const isFirst = typeof after !== 'string';
      const [{ apiKeys: found, next }, offered] = await Promise.all([
        apiKeys.list(
          { owner: { kind: 'user', id: account.id }, limit: PAGE_SIZE, ...(!isFirst && { after }) },
          { as: 'owner', subject: account.id },
        ),
        offeredRights(options, account),
      ]);
      const keys = found.map((key) => apiKeyView(key, offered));
      const live = keys.filter(({ state }) => state === 'active').length;
      const notice = noticeOf(parting.hear(ctx, 'notice'));
      screens.show(ctx, 'api-keys', {
        ...accountFrame(ctx),
        keys: keys.filter(isWorking),
        ended: keys.filter((key) => !isWorking(key)),
        limit: perOwner,
        ...(live < perOwner && { newUrl: NEW_API_KEY_PATH }),
        ...(notice && { notice }),
        ...(next && { olderUrl: `${API_KEYS_PATH}?after=${next}` }),
        ...(!isFirst && { newestUrl: API_KEYS_PATH }),
      });
    },
  };
}

function noticeOf(words: Extract<PartingWords, { kind: 'notice' }> | undefined): Message | undefined {
  return words && { key: NOTICES[words.notice], args: { name: words.name } };
}

function isWorking({ state }: ApiKeyView): boolean {
  return state === 'active' || state === 'replaced';
}

export function maskedValue({ prefix, hint }: Pick<ApiKey, 'prefix' | 'hint'>): string {
  return `${prefix}…${hint}`;
}

function apiKeyView(key: ApiKey, offered: Offered[]): ApiKeyView {
  const { id, name, description, status, access, allowedAddresses, createdAt, lastUsedAt, expiresAt, revokedAt } = key;
  const works = status === 'active';
  return {
    id,
    name,
    ...(description && { description }),
    masked: maskedValue(key),
    state: works && key.rotatedTo ? 'replaced' : status,
    rights: rightsView(access, offered),
    addresses: allowedAddresses,
    createdAt: createdAt.toISOString(),
    ...(lastUsedAt && { lastUsedAt: lastUsedAt.toISOString() }),
    ...(expiresAt && { expiresAt: expiresAt.toISOString() }),
    ...(revokedAt && { revokedAt: revokedAt.toISOString() }),
    ...(works && {
      changeUrl: apiKeyPath(id),
      ...(!key.rotatedTo && { rotateUrl: apiKeyPath(id, 'rotate') }),
      revokeUrl: apiKeyPath(id, 'revoke'),
    }),
  };
}
