import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Context } from 'koa';
import { loadMessages, type Message, type Messages } from '../platform/http/messages.ts';
import { loadTemplates } from '../platform/http/render.ts';
import { contentSecurityPolicy } from '../platform/http/security-headers.ts';
import { type Assets, loadAssets } from './assets.ts';
import { type Branding, brandingStylesheet } from './branding.ts';
import { createLanguage, type Language } from './language.ts';
import { SCREEN_NAMES, type ScreenName, type Views } from './views.ts';

/** The folder of the repository: the same from src/ and from dist/. */
export const INTERACTIONS_FOLDER = fileURLToPath(new URL('../../interactions/', import.meta.url));

export interface ShowOptions {
  status?: number;
  /** The languages the application asked for. */
  uiLocales?: readonly string[];
  /** The interaction the page belongs to. */
  interaction?: string;
  /** Where a change of language comes back to; the address of the request unless that was a POST. `false`: it cannot be changed here. */
  path?: string | false;
  /** Where the form of this page may lead in the end, see contentSecurityPolicy. */
  formAction?: 'anywhere' | string[];
}

export interface Screens {
  show<Name extends ScreenName>(ctx: Context, name: Name, view: Views[Name], options?: ShowOptions): void;
  html<Name extends ScreenName>(name: Name, view: Views[Name], page: { locale: string; path?: string }): string;
  assets: Assets;
  language: Language;
  messages: Messages;
}

/** @throws when a template or a message is missing or broken */
export function loadScreens({
  branding,
  overrides,
  secure,
  folder = INTERACTIONS_FOLDER,
}: {
  branding: Branding;
  /** The operator's own folder. */
  overrides?: string;
  /** Whether the issuer is https, which decides about cookies. */
  secure: boolean;
  folder?: string;
}): Screens {
  const folders = overrides ? [folder, overrides] : [folder];
  const stylesheet = brandingStylesheet(branding);
  const templates = loadTemplates({
    folders: folders.flatMap(withConsole),
    required: ['layout', ...SCREEN_NAMES],
  });
  const messages = loadMessages({ folders: folders.map((folder) => join(folder, 'locales')), fallback: 'en' });
  const assets = loadAssets({
    folders: folders.map((folder) => join(folder, 'assets')),
    generated: { 'branding.css': stylesheet },
  });
  const language = createLanguage({ messages, secure });
  const brand = {
    name: branding.name,
    ...(branding.logoUrl && { logoUrl: branding.logoUrl }),
    ...(stylesheet && { stylesheet: assets.url('branding.css') }),
  };

  function html<Name extends ScreenName>(name: Name, view: Views[Name], page: { locale: string; path?: string }) {
    const translator = messages.translator(page.locale);
    return templates.render(name, {
      ...view,
      lang: page.locale,
      brand,
      asset: assets.url,
      t: (message: string | Message, args?: Message['args']) => translator.text(message, args),
      html: (message: string | Message, args?: Message['args']) => translator.html(message, args),
      date: (at: string) => translator.date(new Date(at)),
      languages: page.path === undefined ? [] : languagesFor(page.locale, page.path),
    });
  }

  function languagesFor(current: string, path: string) {
    return messages.locales.map((code) => ({
      code,
      name: messages.translator(code).text('language.name'),
      href: language.switchUrl(code, path),
      current: code === current,
    }));
  }

  return {
    html,
    assets,
    language,
    messages,
    show(ctx, name, view, { status = 200, uiLocales = requestedLocales(ctx), interaction, path, formAction } = {}) {
      const locale = language.choose(ctx, { uiLocales, ...(interaction && { interaction }) });
      const readable = ctx.method === 'GET' || ctx.method === 'HEAD';
      ctx.status = status;
      ctx.type = 'html';
      ctx.set('Cache-Control', 'no-store');
      ctx.set('Content-Language', locale);
      ctx.vary('Accept-Language');
      ctx.set('Content-Security-Policy', contentSecurityPolicy({ ...(formAction && { formAction }) }));
      const back = path === false ? undefined : (path ?? (readable ? ctx.url : undefined));
      ctx.body = html(name, view, { locale, path: back } as never);
    },
  };
}

/** The pages of the console have a folder of their own; an operator's may be absent. */
function withConsole(folder: string): string[] {
  const inner = join(folder, 'console');
  return existsSync(inner) ? [folder, inner] : [folder];
}

/** Protocol requests that end on a page say it themselves. @see OpenID Connect Core 3.1.2.1, RP-Initiated Logout 2 */
function requestedLocales(ctx: Context): string[] {
  const { ui_locales: locales } = ctx.query;
  return typeof locales === 'string' ? locales.split(' ').filter(Boolean).slice(0, 10) : [];
}
