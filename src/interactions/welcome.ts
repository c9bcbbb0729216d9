import type { Context } from 'koa';
import type { Screens } from './screens.ts';

interface WelcomeOptions {
  screens: Screens;
  production: boolean;
  issuer: string;
  playgroundUrl?: string;
  mailboxUrl?: string;
  /** Whether there is no administrator yet. */
  setupNeeded(): Promise<boolean>;
  /** The pages for people's own accounts. */
  account?: { url: string; isSignedIn(ctx: Context): Promise<boolean> };
}

export function createWelcome(options: WelcomeOptions) {
  const { screens, production, issuer, playgroundUrl, mailboxUrl, setupNeeded, account } = options;
  return {
    async show(ctx: Context): Promise<void> {
      screens.show(ctx, 'welcome', {
        production,
        // A stranger has no business knowing this.
        setupNeeded: !production && (await setupNeeded()),
        issuer,
        discoveryUrl: '/.well-known/openid-configuration',
        jwksUrl: '/.well-known/jwks.json',
        ...(playgroundUrl && { playgroundUrl }),
        ...(mailboxUrl && { mailboxUrl }),
        // In production it is for those who have an account.
        ...(account && (!production || (await account.isSignedIn(ctx))) && { accountUrl: account.url }),
      });
    },
  };
}
