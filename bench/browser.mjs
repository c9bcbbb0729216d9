import { header, headers } from './connection.mjs';

const MAX_STEPS = 12;

/** As much of a browser as a sign-in needs: cookies, redirects, and the form on the page. */
export function openBrowser(connection, origin) {
  const jar = new Map();

  async function load(url, form) {
    const cookie = cookieFor(jar, url);
    const response = await connection.request(url, {
      form,
      headers: {
        Accept: 'text/html',
        ...(cookie && { Cookie: cookie }),
        ...(form && { Origin: origin, 'Sec-Fetch-Site': 'same-origin' }),
      },
    });
    for (const line of headers(response, 'set-cookie')) storeCookie(jar, line, url);
    return response;
  }

  return {
    load,
    /** The Cookie header for a URL. */
    cookie: (url) => cookieFor(jar, url),
    /** Opens an invitation and chooses a password there. */
    async choosePassword(url, password) {
      const page = await load(url);
      const form = findForm(page.text(), url);
      const answer = form && (await load(form.action, { ...form.hidden, password }));
      if (answer?.status !== 200) {
        const { status, text } = answer ?? page;
        throw new Error(`choosing a password at ${url} ended with ${status}: ${text().slice(0, 600)}`);
      }
    },
    /** Opens the page with the sign-in form; answers what fills it in and sends it, as often as one likes. */
    async openSignIn(url) {
      let response = await load(url);
      for (let step = 0; step < MAX_STEPS && header(response, 'location'); step++) {
        url = new URL(header(response, 'location'), url).href;
        response = await load(url);
      }
      const form = findForm(response.text(), url);
      if (!form) throw new Error(`no sign-in form at ${url}: ${response.status}`);
      return (email, password) => load(form.action, { ...form.hidden, email, password });
    },
    /** Follows redirects and fills in the sign-in form until the browser would leave for `redirectUri`; answers that URL. */
    async signIn(url, { login, password, redirectUri }) {
      let response = await load(url);
      let signedIn = false;
      for (let step = 0; step < MAX_STEPS; step++) {
        const location = header(response, 'location');
        if (location) {
          url = new URL(location, url).href;
          if (url.startsWith(redirectUri)) return url;
          response = await load(url);
          continue;
        }
        const page = response.text();
        const form = findForm(page, url);
        if (!form || signedIn) break;
        signedIn = true;
        url = form.action;
        response = await load(url, { ...form.hidden, email: login, password });
      }
      throw new Error(`signing in stopped at ${url} with ${response.status}: ${response.text().slice(0, 600)}`);
    },
  };
}

function findForm(page, url) {
  for (const [, attributes, content] of page.matchAll(/<form([^>]*)>(.*?)<\/form>/gs)) {
    if (!/name="password"/.test(content)) continue;
    const hidden = {};
    for (const [input] of content.matchAll(/<input[^>]*type="hidden"[^>]*>/g)) {
      const name = attribute(input, 'name');
      if (name) hidden[name] = attribute(input, 'value') ?? '';
    }
    return { action: new URL(attribute(attributes, 'action') ?? url, url).href, hidden };
  }
  return undefined;
}

function attribute(tag, name) {
  return new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1].replaceAll('&amp;', '&').replaceAll('&#39;', "'");
}

function storeCookie(jar, line, url) {
  const [pair, ...attributes] = line.split(/;\s*/);
  const at = pair.indexOf('=');
  const path = attributes.find((text) => /^path=/i.test(text))?.slice(5) ?? new URL(url).pathname;
  const key = `${path} ${pair.slice(0, at)}`;
  const ended = attributes.some((text) => /^expires=/i.test(text) && Date.parse(text.slice(8)) <= Date.now());
  if (ended || pair.length === at + 1) jar.delete(key);
  else jar.set(key, { path, pair });
}

function cookieFor(jar, url) {
  const { pathname } = new URL(url);
  return [...jar.values()]
    .filter(({ path }) => pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`))
    .map(({ pair }) => pair)
    .join('; ');
}
