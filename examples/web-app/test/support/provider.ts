import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { jest } from '@jest/globals';
import { Provider } from 'oidc-provider';
import { listen } from './listen.ts';

export const CLIENT_ID = 'web-app';
export const CLIENT_SECRET = 'a secret with signs that must be escaped: %+&=';

const PEOPLE: Record<string, Record<string, unknown>> = {
  ann: { name: 'Ann <b>Kim</b>', given_name: 'Ann', email: 'ann@example.com', email_verified: true },
  eve: { name: 'Eve', email: 'eve@example.com', email_verified: true },
};

/** What the person at the provider does when asked. */
export interface Behaviour {
  account: string;
  refuse: boolean;
  /** Seconds. */
  accessTokenLifetime: number;
}

interface ProviderSettings {
  readonly webApp: string;
  readonly api: string;
}

/** An OpenID provider whose screens answer themselves. */
export async function startProvider({ webApp, api }: ProviderSettings) {
  const server = createServer((req, res) => void provider.callback()(req, res));
  const { url: issuer, close } = await listen(server);
  const behaviour: Behaviour = { account: 'ann', refuse: false, accessTokenLifetime: 600 };
  const warn = jest.spyOn(console, 'warn').mockReturnValue(); // of all that a real installation must not leave as it is
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: CLIENT_ID,
        client_secret: CLIENT_SECRET,
        redirect_uris: [`${webApp}/callback`],
        post_logout_redirect_uris: [`${webApp}/`],
        grant_types: ['authorization_code', 'refresh_token'],
      },
    ],
    claims: { openid: ['sub'], profile: ['name', 'given_name'], email: ['email', 'email_verified'] },
    findAccount: (_ctx, sub) => ({ accountId: sub, claims: async () => ({ sub, ...PEOPLE[sub] }) }),
    jwks: { keys: [privateJwk('RS256'), privateJwk('ES256')] },
    cookies: { keys: ['only for tests'] },
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
    ttl: {
      AccessToken: () => behaviour.accessTokenLifetime,
      AuthorizationCode: 60,
      Grant: 600,
      IdToken: 600,
      Interaction: 600,
      RefreshToken: 600,
      Session: 600,
    },
    features: {
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: async () => true,
        getResourceServerInfo: async (_ctx, resource) => {
          if (resource !== api) throw new Error(`unexpected resource ${resource}`);
          return {
            scope: 'sessions:read sessions:write',
            audience: resource,
            accessTokenFormat: 'jwt',
            accessTokenTTL: behaviour.accessTokenLifetime,
            jwt: { sign: { alg: 'ES256' } },
          };
        },
      },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: async (ctx, form) => {
          ctx.body = form.replace('</form>', '<input type="hidden" name="logout" value="yes"/></form>');
        },
      },
    },
  });

  warn.mockRestore();

  const refreshTokens: { destroy(): Promise<void> }[] = [];
  provider.on('refresh_token.saved', (token) => refreshTokens.push(token));
  provider.use(async (ctx, next) => {
    if (!ctx.path.startsWith('/interaction/')) return next();
    const { prompt, params, session, grantId } = await provider.interactionDetails(ctx.req, ctx.res);
    if (behaviour.refuse) return finish({ error: 'access_denied' });
    if (prompt.name === 'login') return finish({ login: { accountId: behaviour.account } });
    const found = grantId === undefined ? undefined : await provider.Grant.find(grantId);
    const grant = found ?? new provider.Grant({ accountId: session?.accountId, clientId: params.client_id as string });
    const missing = prompt.details as { missingOIDCScope?: string[]; missingResourceScopes?: Record<string, string[]> };
    if (missing.missingOIDCScope) grant.addOIDCScope(missing.missingOIDCScope.join(' '));
    for (const [resource, scopes] of Object.entries(missing.missingResourceScopes ?? {})) {
      grant.addResourceScope(resource, scopes.join(' '));
    }
    return finish({ consent: { grantId: await grant.save() } });

    async function finish(result: Record<string, unknown>): Promise<void> {
      ctx.redirect(
        await provider.interactionResult(ctx.req, ctx.res, result as never, { mergeWithLastSubmission: true }),
      );
    }
  });

  return { issuer, behaviour, refreshTokens, close };
}

function privateJwk(alg: 'RS256' | 'ES256') {
  const { privateKey } =
    alg === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: alg } as never;
}
