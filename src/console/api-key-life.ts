import type { Context } from 'koa';
import { DEFAULT_OVERLAP, MAX_OVERLAP } from '../api-keys/api-key.ts';
import { ownApiIdentifier } from '../api-keys/own-api.ts';
import { formOf, seeOther } from '../interactions/guards.ts';
import type { Screens } from '../interactions/screens.ts';
import { notFound } from '../platform/errors.ts';
import type { Csrf } from '../platform/http/csrf.ts';
import { type ApiKeyPages, actingAsOwner, auditContext, wordsOfValue } from './api-key-pages.ts';
import { maskedValue } from './api-keys-page.ts';
import { accountFrame } from './own-session.ts';
import type { Parting } from './parting-words.ts';
import { API_KEY_VALUE_PATH, API_KEYS_PATH, apiKeyPath } from './paths.ts';
import type { ManagesApiKeys } from './ports.ts';

/** Seconds. */
const OVERLAPS = [0, 3600, DEFAULT_OVERLAP, 7 * 86_400, MAX_OVERLAP];

export interface ApiKeyLifeOptions {
  issuer: string;
  screens: Screens;
  csrf: Csrf;
  apiKeys: ManagesApiKeys;
  parting: Parting;
  pages: Pick<ApiKeyPages, 'findLive' | 'backToList'>;
}

/** A key's value, seen once; another value; and the end. */
export function createApiKeyLife({ issuer, screens, csrf, apiKeys, parting, pages }: ApiKeyLifeOptions) {
  const { findLive, backToList } = pages;

  return {
    /** What was said once is not said again: whoever reloads is shown the list. */
    showValue(ctx: Context): void {
      const words = parting.hear(ctx, 'value');
      if (!words) {
        seeOther(ctx, API_KEYS_PATH);
        return;
      }
      const { kind: _, resource, ...value } = words;
      const view = { ...accountFrame(ctx), ...value, example: exampleFor(resource), doneUrl: API_KEYS_PATH };
      // Without the choice of a language: changing it would lose the value.
      screens.show(ctx, 'api-key-value', view, { path: false });
    },

    async showRotate(ctx: Context): Promise<void> {
      const key = await findLive(ctx);
      if (!key) return;
      if (key.rotatedTo) return backToList(ctx, 'rotated', key.name);
      const action = apiKeyPath(key.id, 'rotate');
      screens.show(ctx, 'api-key-rotate', {
        ...accountFrame(ctx),
        action,
        csrf: csrf.token(ctx),
        backUrl: API_KEYS_PATH,
        key: { name: key.name, masked: maskedValue(key) },
        overlaps: OVERLAPS.map((seconds) => ({
          value: String(seconds),
          label:
            seconds === 0
              ? { key: 'api-key.rotate.overlap.none' }
              : { key: 'api-key.rotate.overlap.for', args: { duration: { seconds } } },
          chosen: seconds === DEFAULT_OVERLAP,
        })),
      });
    },

    async rotate(ctx: Context): Promise<void> {
      const key = await findLive(ctx);
      if (!key) return;
      const overlap = OVERLAPS.find((seconds) => String(seconds) === formOf(ctx).overlap) ?? DEFAULT_OVERLAP;
      const outcome = await apiKeys.rotate(key.id, { overlapSeconds: overlap }, actingAsOwner(ctx), auditContext(ctx));
      switch (outcome.kind) {
        case 'rotated': {
          const { expiresAt, status } = outcome.replaced;
          const isOver = overlap === 0 || status !== 'active' || !expiresAt;
          const before = isOver ? {} : { worksUntil: expiresAt.toISOString() };
          parting.say(ctx, { ...wordsOfValue(outcome), before });
          return seeOther(ctx, API_KEY_VALUE_PATH);
        }
        case 'already_rotated':
          return backToList(ctx, 'rotated', key.name);
        case 'limit_reached':
          return backToList(ctx, 'full', key.name);
        case 'not_found':
          throw notFound();
        default:
          return backToList(ctx, 'ended', key.name);
      }
    },

    async showRevoke(ctx: Context): Promise<void> {
      const key = await findLive(ctx);
      if (!key) return;
      const { name, lastUsedAt } = key;
      screens.show(ctx, 'api-key-revoke', {
        ...accountFrame(ctx),
        action: apiKeyPath(key.id, 'revoke'),
        csrf: csrf.token(ctx),
        backUrl: API_KEYS_PATH,
        key: { name, masked: maskedValue(key), ...(lastUsedAt && { lastUsedAt: lastUsedAt.toISOString() }) },
      });
    },

    /** The same answer however often it is pressed. */
    async revoke(ctx: Context): Promise<void> {
      const key = await apiKeys.find(ctx.params.id, actingAsOwner(ctx));
      const outcome = key && (await apiKeys.revoke(key.id, actingAsOwner(ctx), auditContext(ctx)));
      if (!key || outcome === 'not_found') throw notFound();
      return backToList(ctx, 'revoked', key.name);
    },
  };

  function exampleFor(resource: string): string {
    const address = resource === ownApiIdentifier(issuer) ? `${resource}/me` : resource;
    // An identifier need not be an address.
    const url = /^https?:\/\/[\w.:/~%[\]-]+$/.test(address) ? address : 'https://api.example.com';
    return `curl ${url} -H "Authorization: Bearer $API_KEY"`;
  }
}
