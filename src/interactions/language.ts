import type { Context } from 'koa';
import { acceptedLocale } from '../platform/http/accepted-locale.ts';
import type { Messages } from '../platform/http/messages.ts';

/** A language picked on a page. During an interaction it also beats the application's `ui_locales`, but only for that one. */
interface LanguageChoice {
  locale: string;
  interaction?: string;
}

const YEAR = 365 * 24 * 60 * 60 * 1000;
const CHOICE = /^([A-Za-z0-9-]{2,35})(?:\.([\w-]{10,64}))?$/;
const INTERACTION = /^\/interaction\/([\w-]{10,64})(?:$|\/|\?)/;

export interface Language {
  /** `ui_locales` → what the person picked → what the browser prefers → the fallback. */
  choose(ctx: Context, request?: { uiLocales?: readonly string[]; interaction?: string }): string;
  /** The address of the switch to a language, coming back to `path`. */
  switchUrl(locale: string, path: string): string;
  /** GET /language/:locale?to=/path */
  switchTo(ctx: Context): void;
}

export function createLanguage({ messages, secure }: { messages: Messages; secure: boolean }): Language {
  const cookieName = secure ? '__Host-daemun_language' : 'daemun_language';

  function chosen(ctx: Context): LanguageChoice | undefined {
    const [, tag, interaction] = CHOICE.exec(ctx.cookies.get(cookieName, { signed: false }) ?? '') ?? [];
    const locale = tag && messages.match([tag]);
    return locale ? { locale, ...(interaction && { interaction }) } : undefined;
  }

  return {
    choose(ctx, { uiLocales = [], interaction } = {}) {
      const choice = chosen(ctx);
      if (choice?.interaction && choice.interaction === interaction) return choice.locale;
      const accepted = () => acceptedLocale(ctx.headers['accept-language'], messages.locales);
      return messages.match(uiLocales) ?? choice?.locale ?? accepted();
    },
    switchUrl: (locale, path) => `/language/${locale}?to=${encodeURIComponent(path)}`,
    switchTo(ctx) {
      const locale = messages.match([ctx.params.locale]);
      const to = localPath(ctx.query.to);
      if (locale) {
        const [, interaction] = INTERACTION.exec(to) ?? [];
        ctx.cookies.secure = secure;
        ctx.cookies.set(cookieName, interaction ? `${locale}.${interaction}` : locale, {
          signed: false,
          httpOnly: true,
          sameSite: 'lax',
          secure,
          path: '/',
          maxAge: YEAR,
          overwrite: true,
        });
      }
      ctx.status = 303;
      ctx.set('Location', to);
      ctx.set('Cache-Control', 'no-store');
      ctx.body = '';
    },
  };
}

/** Only a path on this origin: browsers read `//host` and `/\host` as another one. */
function localPath(to: unknown): string {
  return typeof to === 'string' && /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/.test(to) ? to : '/';
}
