import type { Context } from 'koa';
import type { AppError, ErrorCode } from '../platform/errors.ts';
import type { BusyWords } from '../platform/http/busy-answer.ts';
import type { Messages } from '../platform/http/messages.ts';
import type { Screens } from './screens.ts';
import type { ErrorView } from './views.ts';

type Words = Pick<ErrorView, 'title' | 'text'>;

/** What happened, in the words of people who did nothing wrong. */
const WORDS = {
  application: { title: { key: 'error.application.title' }, text: { key: 'error.application.text' } },
  address: { title: { key: 'error.address.title' }, text: { key: 'error.address.text' } },
  expired: { title: { key: 'error.expired.title' }, text: { key: 'error.expired.text' } },
  link: { title: { key: 'error.link.title' }, text: { key: 'error.link.text' } },
  setupLink: { title: { key: 'error.link.title' }, text: { key: 'error.setup-link.text' } },
  form: { title: { key: 'error.form.title' }, text: { key: 'error.form.text' } },
  request: { title: { key: 'error.request.title' }, text: { key: 'error.request.text' } },
  throttled: { title: { key: 'error.throttled.title' }, text: { key: 'error.throttled.text' } },
  missing: { title: { key: 'error.missing.title' }, text: { key: 'error.missing.text' } },
  denied: { title: { key: 'error.denied.title' }, text: { key: 'error.denied.text' } },
  busy: { title: { key: 'error.busy.title' }, text: { key: 'error.busy.text' } },
  slow: { title: { key: 'error.slow.title' }, text: { key: 'error.slow.text' } },
  server: { title: { key: 'error.server.title' }, text: { key: 'error.server.text' } },
} satisfies Record<string, Words>;

type Kind = keyof typeof WORDS;

const OWN_ERRORS: Partial<Record<ErrorCode, Kind>> = {
  interaction_expired: 'expired',
  cross_site_request: 'form',
  link_spent: 'link',
  not_found: 'missing',
  method_not_allowed: 'missing',
  unauthorized: 'denied',
  forbidden: 'denied',
  unavailable: 'busy',
};

/** RFC 6749 and the engine's own codes that end on a page. */
const PROTOCOL_ERRORS = new Map<string, Kind>([
  ['invalid_client', 'application'],
  ['unauthorized_client', 'application'],
  ['invalid_redirect_uri', 'address'],
  ['server_error', 'server'],
  ['temporarily_unavailable', 'busy'],
]);

/** Seconds, where nobody said how long. */
const SOON = 60;

/** Pages whose form may be asked for again after it failed. */
const RETRY = /^\/(?:interaction|setup|set-password)\/[\w-]+/;

export interface ErrorScreens {
  /** For the middleware that catches what is thrown. */
  appError(ctx: Context, error: AppError): void;
  protocolError(ctx: Context, error: { error: string; description?: string; status: number }): void;
}

export function createErrorScreens(screens: Screens): ErrorScreens {
  return {
    appError(ctx, { code, status, publicText, retryAfter }) {
      const words: Words = code === 'too_many_requests' ? throttled(retryAfter) : WORDS[ownKind(ctx, code, status)];
      const [path] = RETRY.exec(ctx.path) ?? [];
      // The query of a callback is not for pages: a switch of language would carry it on.
      const address = path ?? (ctx.path.startsWith('/callback/') ? ctx.path : undefined);
      const repeatable = code === 'cross_site_request' || code === 'too_many_requests' || code === 'unavailable';
      screens.show(
        ctx,
        'error',
        {
          code,
          title: words.title,
          text: words.text,
          description: publicText,
          requestId: ctx.state.requestId,
          ...(retryAfter !== undefined && { retryAfter }),
          ...(repeatable && path && { retryUrl: path }),
        },
        { status, ...(address && { path: address }) },
      );
    },
    protocolError(ctx, { error, description, status }) {
      // A limit that is reached inside the engine: the protocol has no code of its own for it.
      const retryAfter = status === 429 ? Number(ctx.response.get('Retry-After')) || SOON : undefined;
      const words: Words = retryAfter
        ? throttled(retryAfter)
        : WORDS[PROTOCOL_ERRORS.get(error) ?? (status >= 500 ? 'server' : 'request')];
      const { requestId } = ctx.state;
      const said = { ...(description && { description }), ...(retryAfter && { retryAfter }) };
      screens.show(ctx, 'error', { code: error, ...words, ...said, requestId }, { status });
    },
  };
}

/** For pages that are made before anybody asks, since there is no time then: in every language that there is. */
export function preparedWords({ locales, translator }: Messages): BusyWords {
  const inAll = ({ title, text }: Words) =>
    locales.map((locale) => {
      const { html } = translator(locale);
      return { locale, title: html(title), text: html(text) };
    });
  return { busy: inAll(WORDS.busy), tooSlow: inAll(WORDS.slow) };
}

function throttled(retryAfter = SOON): Words {
  const { title, text } = WORDS.throttled;
  return { title, text: { ...text, args: { duration: { seconds: retryAfter } } } };
}

function ownKind({ path }: Context, code: ErrorCode, status: number): Kind {
  if (code === 'link_spent' && path.startsWith('/setup/')) return 'setupLink';
  return OWN_ERRORS[code] ?? (status >= 500 ? 'server' : 'request');
}
