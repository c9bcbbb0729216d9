/** As much of a browser as pages need that are asked for thousands of times: cookies by path. */
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
