/** A browser as far as the protocol needs one: keeps cookies by name and path, and stops where it is sent elsewhere. */
export interface Browser {
  /** One request, redirects not followed. */
  request(url: string, init?: RequestInit): Promise<Response>;
  /** Follows redirects within the origin; ends at a page, or at the address of another origin it is sent to. */
  open(url: string, init?: RequestInit): Promise<Visit>;
  submit(url: string, form: Record<string, string>): Promise<Visit>;
  cookies: Cookie[];
}

export interface Visit {
  /** Where it ended. Of another origin: not requested. */
  url: URL;
  /** The page, unless it ended elsewhere. */
  response?: Response;
  text: string;
  /** Every address on the way. */
  trail: string[];
}

export interface Cookie {
  name: string;
  value: string;
  path: string;
  attributes: string;
}

export function createBrowser(origin: string, { headers = {} }: { headers?: Record<string, string> } = {}): Browser {
  const cookies: Cookie[] = [];

  function cookieHeader(path: string): string {
    return cookies
      .filter((cookie) => path === cookie.path || path.startsWith(cookie.path.replace(/\/?$/, '/')))
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');
  }

  function keep(response: Response): void {
    for (const line of response.headers.getSetCookie()) {
      const [pair = '', ...attributes] = line.split(/;\s*/);
      const name = pair.slice(0, pair.indexOf('='));
      const value = pair.slice(pair.indexOf('=') + 1);
      const attribute = (wanted: string) =>
        attributes.find((text) => text.toLowerCase().startsWith(`${wanted}=`))?.slice(wanted.length + 1);
      const path = attribute('path') ?? '/';
      const index = cookies.findIndex((cookie) => cookie.name === name && cookie.path === path);
      if (index >= 0) cookies.splice(index, 1);
      const expires = attribute('expires');
      if (expires === undefined || Date.parse(expires) > Date.now()) {
        cookies.push({ name, value, path, attributes: attributes.join('; ') });
      }
    }
  }

  async function request(url: string, init: RequestInit = {}): Promise<Response> {
    const cookie = cookieHeader(new URL(url, origin).pathname);
    const response = await fetch(new URL(url, origin), {
      ...init,
      redirect: 'manual',
      headers: { accept: 'text/html', ...headers, ...(cookie && { cookie }), ...(init.headers as object) },
    });
    keep(response);
    return response;
  }

  async function open(start: string, init?: RequestInit): Promise<Visit> {
    let url = new URL(start, origin);
    let next = init;
    const trail = [url.href];
    for (let steps = 0; steps < 20; steps++) {
      if (url.origin !== origin) return { url, text: '', trail };
      const response = await request(url.href, next);
      const location = response.headers.get('location');
      if (response.status < 300 || response.status > 399 || location === null) {
        return { url, response, text: await response.text(), trail };
      }
      await response.body?.cancel();
      url = new URL(location, url);
      trail.push(url.href);
      next = undefined;
    }
    throw new Error(`redirected without end: ${trail.join(' → ')}`);
  }

  return {
    request,
    open,
    submit: (url, form) => open(url, { method: 'POST', body: new URLSearchParams(form) }),
    cookies,
  };
}

/** Where the form of a page goes, and what it carries. */
export function formOf({ url, text }: Visit, wanted: RegExp): [action: string, fields: Record<string, string>] {
  for (const [form, attributes = ''] of text.matchAll(/<form([^>]*)>.*?<\/form>/gs)) {
    if (!wanted.test(form)) continue;
    const fields = [...form.matchAll(/<input[^>]*type="hidden"[^>]*>/g)].map(([input]) => [
      attributeOf(input, 'name')!,
      attributeOf(input, 'value') ?? '',
    ]);
    return [new URL(attributeOf(attributes, 'action') ?? url.href, url).href, Object.fromEntries(fields)];
  }
  throw new Error(`no such form at ${url.href}: ${text}`);
}

function attributeOf(tag: string, name: string): string | undefined {
  return new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1]?.replaceAll('&amp;', '&');
}
