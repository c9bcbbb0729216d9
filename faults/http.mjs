import { Agent, request } from 'node:http';

const agent = new Agent({ keepAlive: true, maxSockets: 64 });
const TIMEOUT = 30_000;

/**
 * One request to one address, whatever its URL says: nodes stand behind one public origin. Redirects are not followed.
 * @returns {Promise<{ status: number, headers: object, text: string } | { failure: 'not-sent' | 'unknown', error: Error }>}
 */
export function send({ port, url, method = 'GET', headers = {}, form, timeout = TIMEOUT, keepAlive = true }) {
  const { host, pathname, search } = new URL(url);
  const body = form && new URLSearchParams(form).toString();
  return new Promise((resolve) => {
    const outgoing = request(
      {
        ...(keepAlive ? { agent } : { agent: false }),
        host: '127.0.0.1',
        port,
        path: `${pathname}${search}`,
        method: body === undefined ? method : 'POST',
        timeout,
        headers: {
          host,
          ...(body !== undefined && {
            'content-type': 'application/x-www-form-urlencoded',
            'content-length': Buffer.byteLength(body),
          }),
          ...headers,
        },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
        response.on('error', (error) => resolve({ failure: 'unknown', error }));
        response.on('aborted', () => resolve({ failure: 'unknown', error: new Error('the answer was cut off') }));
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer in ${timeout} ms`)));
    outgoing.on('error', (error) => {
      resolve({ failure: error.code === 'ECONNREFUSED' ? 'not-sent' : 'unknown', error });
    });
    outgoing.end(body);
  });
}

/** As much of a browser as the pages need: cookies by path. */
export function createJar() {
  const cookies = new Map();
  return {
    header(url) {
      const { pathname } = new URL(url);
      return [...cookies.values()]
        .filter(({ path }) => pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`))
        .map(({ pair }) => pair)
        .join('; ');
    },
    store(lines = [], url) {
      for (const line of lines) {
        const [pair, ...attributes] = line.split(/;\s*/);
        const at = pair.indexOf('=');
        const path = attributes.find((text) => /^path=/i.test(text))?.slice(5) ?? new URL(url).pathname;
        const key = `${path} ${pair.slice(0, at)}`;
        const ended = attributes.some((text) => /^expires=/i.test(text) && Date.parse(text.slice(8)) <= Date.now());
        if (ended || pair.length === at + 1) cookies.delete(key);
        else cookies.set(key, { path, pair });
      }
    },
  };
}

/** The first form on the page that matches, with its hidden fields. */
export function findForm(page, url, wanted) {
  for (const [, attributes, content] of page.matchAll(/<form([^>]*)>(.*?)<\/form>/gs)) {
    if (!wanted.test(attributes + content)) continue;
    const fields = {};
    for (const [input] of content.matchAll(/<input[^>]*type="hidden"[^>]*>/g)) {
      const name = attribute(input, 'name');
      if (name) fields[name] = attribute(input, 'value') ?? '';
    }
    return { action: new URL(attribute(attributes, 'action') ?? url, url).href, fields };
  }
  return undefined;
}

function attribute(tag, name) {
  return new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1].replaceAll('&amp;', '&').replaceAll('&#39;', "'");
}
