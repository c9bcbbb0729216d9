import { createHash } from 'node:crypto';
import type { Context } from 'koa';
import { interactionExpired } from '../platform/errors.ts';
import type { Csrf } from '../platform/http/csrf.ts';
import type { Message } from '../platform/http/messages.ts';
import type { IdentityProvider, PendingInteraction } from '../provider/identity-provider.ts';
import { clientView } from './client-view.ts';
import { formOf, interactionPath, pendingOf } from './guards.ts';
import { inReadersWords } from './own-api-words.ts';
import { personView } from './person-view.ts';
import type { FindsAccounts } from './ports.ts';
import type { Screens } from './screens.ts';
import type { ConsentView, PermissionView, Problems } from './views.ts';

interface ConsentOptions {
  issuer: string;
  screens: Screens;
  identityProvider: Pick<IdentityProvider, 'finishInteraction'>;
  accounts: FindsAccounts;
  csrf: Csrf;
}

/** In the order they are shown. @see OpenID Connect Core 5.4, 11 */
const SCOPES: Record<string, PermissionView> = {
  openid: { icon: 'person', title: { key: 'scope.openid' }, detail: { key: 'scope.openid.detail' } },
  profile: { icon: 'card', title: { key: 'scope.profile' }, detail: { key: 'scope.profile.detail' } },
  email: { icon: 'mail', title: { key: 'scope.email' }, detail: { key: 'scope.email.detail' } },
  phone: { icon: 'phone', title: { key: 'scope.phone' } },
  address: { icon: 'pin', title: { key: 'scope.address' } },
  offline_access: {
    icon: 'clock',
    title: { key: 'scope.offline_access' },
    detail: { key: 'scope.offline_access.detail' },
  },
};

/** Claims with words of their own; others are shown by their technical name. */
const CLAIMS = new Map(
  [
    'claim.name',
    'claim.given_name',
    'claim.family_name',
    'claim.preferred_username',
    'claim.picture',
    'claim.locale',
    'claim.zoneinfo',
    'claim.email',
    'claim.email_verified',
    'claim.phone_number',
    'claim.address',
    'claim.birthdate',
    'claim.gender',
    'claim.updated_at',
    'claim.auth_time',
    'claim.acr',
    'claim.idp',
  ].map((key) => [key.slice('claim.'.length), { key }] as const),
);

export function createConsent({ issuer, screens, identityProvider, accounts, csrf }: ConsentOptions) {
  async function view(ctx: Context, problems?: Problems): Promise<ConsentView> {
    const pending = pendingOf(ctx);
    const account = pending.accountId === undefined ? undefined : await accounts.find(pending.accountId);
    if (!account) throw interactionExpired(new Error('nobody is signed in'));
    const asked = {
      client: clientView(pending),
      account: personView(account),
      permissions: permissionsOf(pending),
      resources: pending.missing?.resources ?? [],
      accessTokenLifetime: pending.accessTokenLifetime,
      offlineAccess: pending.offlineAccess,
    };
    const { uiLocales } = pending.params;
    const locale = screens.language.choose(ctx, { ...(uiLocales && { uiLocales }), interaction: pending.uid });
    return {
      ...asked,
      resources: inReadersWords(asked.resources, issuer, screens.messages.translator(locale)),
      action: interactionPath(pending.uid, 'consent'),
      csrf: csrf.token(ctx),
      shown: digestOf({ ...asked, clientId: pending.client.id, accountId: account.id }),
      ...(problems && { problems }),
    };
  }

  async function show(
    ctx: Context,
    { problems, status }: { problems?: Problems; status?: number } = {},
  ): Promise<void> {
    const { uid, params } = pendingOf(ctx);
    screens.show(ctx, 'consent', await view(ctx, problems), {
      ...(status && { status }),
      ...(params.uiLocales && { uiLocales: params.uiLocales }),
      interaction: uid,
      path: interactionPath(uid),
      formAction: 'anywhere',
    });
  }

  return {
    show: (ctx: Context) => show(ctx),

    /** What is agreed to is what was on the page, nothing that came later. S-166 */
    async submit(ctx: Context): Promise<void> {
      const { decision, shown } = formOf(ctx);
      if (decision === 'deny') {
        const error_description = 'the person did not allow the access';
        return identityProvider.finishInteraction(ctx, { error: 'access_denied', error_description });
      }
      if (decision !== 'allow') return show(ctx, { problems: { summary: { key: 'consent.undecided' } }, status: 422 });
      if (shown !== (await view(ctx)).shown) {
        return show(ctx, { problems: { summary: { key: 'consent.changed' } }, status: 409 });
      }
      return identityProvider.finishInteraction(ctx, { consent: 'granted' });
    },
  };
}

function permissionsOf({ missing }: PendingInteraction): PermissionView[] {
  const scopes = missing?.scopes ?? [];
  const known = Object.keys(SCOPES).filter((name) => scopes.includes(name));
  const others = scopes.filter((name) => !Object.hasOwn(SCOPES, name));
  return [
    ...known.map((name) => SCOPES[name]!),
    ...others.map((name) => ({ icon: 'key', title: { key: 'scope.other', args: { name } } })),
    ...claimsPermission(missing?.claims ?? []),
  ];
}

function claimsPermission(claims: string[]): PermissionView[] {
  if (!claims.length) return [];
  const list: (string | Message)[] = claims.map((name) => CLAIMS.get(name) ?? name);
  return [
    { icon: 'list', title: { key: 'scope.claims' }, detail: { key: 'scope.claims.detail', args: { list: { list } } } },
  ];
}

function digestOf(asked: object): string {
  return createHash('sha256').update(JSON.stringify(asked)).digest('base64url');
}
