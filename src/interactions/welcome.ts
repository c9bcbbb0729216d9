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
}

export function createWelcome({ screens, production, issuer, playgroundUrl, mailboxUrl, setupNeeded }: WelcomeOptions) {
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
      });
    },
  };
}
