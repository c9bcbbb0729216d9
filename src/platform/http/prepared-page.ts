import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { acceptedLocale } from './accepted-locale.ts';

/** What a page says in one language, as HTML. */
export interface PageWords {
  locale: string;
  title: string;
  text: string;
}

/** Answers with a page; further headers go with it. */
export type AnswerPage = (req: IncomingMessage, res: ServerResponse, status: number, headers: object) => void;

/** Korean breaks between words here, and no line of a title has one syllable. */
const STYLE = `:root{color-scheme:light dark}
body{font:1rem/1.6 system-ui,sans-serif;max-width:30rem;margin:18vh auto;padding:0 1.5rem;word-break:keep-all;overflow-wrap:break-word}
h1{font-size:1.5rem;line-height:1.3;margin:0 0 .75rem;text-wrap:balance}
p{margin:0;text-wrap:pretty}`;
const POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/**
 * A page whose bytes are there before anybody asks, for when there is no time to make one. It asks for nothing else, no style and no
 * picture, which would be more requests. The first language is that of whoever says none.
 */
export function preparePage(words: readonly PageWords[]): AnswerPage {
  const locales = words.map(({ locale }) => locale);
  const pages = new Map(words.map((said) => [said.locale, Buffer.from(pageOf(said))]));
  return (req, res, status, headers) => {
    const locale = acceptedLocale(req.headers['accept-language'], locales);
    const body = pages.get(locale)!;
    res.writeHead(status, {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Length': body.length,
      'Content-Language': locale,
      'Content-Security-Policy': POLICY,
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
      'Cache-Control': 'no-store',
      Vary: 'Accept-Language',
      ...headers,
    });
    res.end(req.method === 'HEAD' ? undefined : body);
  };
}

function pageOf({ locale, title, text }: PageWords): string {
  return `<!doctype html>
<html lang="${locale}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${STYLE}</style>
<h1>${title}</h1>
<p>${text}</p>
</html>
`;
}
