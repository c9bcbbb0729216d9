export interface Page {
  readonly url: string;
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** As much of a browser as a sign-in takes: cookies by origin, redirects, forms. */
export class Browser {
  readonly #cookies = new Map<string, Map<string, string>>();
  /** Every address on the way to the last page. */
  visited: string[] = [];

  async open(url: string, init: RequestInit = {}): Promise<Page> {
    this.visited = [];
    let next = url;
    let request = init;
    for (let hop = 0; hop < 20; hop++) {
      const page = await this.fetch(next, request);
      const location = page.headers.get('location');
      if (location === null || page.status < 300 || page.status > 399) {
        return { url: next, status: page.status, headers: page.headers, text: await page.text() };
      }
      await page.body?.cancel();
      next = new URL(location, next).href;
      request = {};
    }
    throw new Error('redirects without end');
  }

  /** One request, without following. */
  async fetch(url: string, init: RequestInit = {}): Promise<Response> {
    this.visited.push(url);
    const jar = this.#jar(url);
    const cookie = Array.from(jar, ([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, {
      redirect: 'manual',
      ...init,
      headers: { ...(cookie && { cookie }), ...(init.headers as Record<string, string>) },
    });
    for (const header of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(header) ?? [];
      if (value === '' || /expires=Thu, 01 Jan 1970/i.test(header)) jar.delete(name);
      else jar.set(name, value);
    }
    return response;
  }

  /** Fills in and sends the form of the page that goes to this action. */
  submit({ url, text }: Page, action: string, fields: Record<string, string> = {}): Promise<Page> {
    const form = new RegExp(`<form[^>]*action="${action.replace(/[^\w]/g, '\\$&')}"[^>]*>(.*?)</form>`, 's').exec(
      text,
    )?.[1];
    if (form === undefined) throw new Error(`${url} has no form for ${action}`);
    const body = new URLSearchParams();
    for (const [input] of form.matchAll(/<input[^>]*type="hidden"[^>]*>/g)) {
      body.set(/name="([^"]*)"/.exec(input)?.[1] ?? '', /value="([^"]*)"/.exec(input)?.[1] ?? '');
    }
    for (const [name, value] of Object.entries(fields)) body.set(name, value);
    return this.open(new URL(action, url).href, { method: 'POST', body });
  }

  cookies(url: string): ReadonlyMap<string, string> {
    return this.#jar(url);
  }

  #jar(url: string): Map<string, string> {
    const { origin } = new URL(url);
    const jar = this.#cookies.get(origin) ?? new Map<string, string>();
    this.#cookies.set(origin, jar);
    return jar;
  }
}
