import type { FakePerson } from './fake-upstream.ts';

/** What a person does at a provider; without `as`, they press the first button that is there. */
export interface Decision {
  as?: string;
  deny?: boolean;
}

/** By the page and its form, as a browser does it, and without cookies. Answers with where the browser is sent back to. */
export async function decide(
  authorizationUrl: string,
  people: FakePerson[],
  { as, deny = false }: Decision = {},
): Promise<URL> {
  const shown = await fetch(authorizationUrl);
  const text = await shown.text();
  if (!shown.ok) throw new Error(`the page says: ${text}`);
  const url = new URL(authorizationUrl);
  const form = new URLSearchParams(url.searchParams);
  const offered = /name="as" value="([^"]*)"/.exec(text)?.[1];
  if (deny) form.set('deny', '1');
  // Somebody who is not offered can still be signed in with by who changes the address: all of it was only a hint.
  else form.set('as', as ?? offered ?? people[0]?.subject ?? '');
  const sent = await fetch(`${url.origin}${url.pathname}`, { method: 'POST', body: form, redirect: 'manual' });
  const location = sent.headers.get('location');
  if (!location) throw new Error(`no way back: ${sent.status} ${await sent.text()}`);
  return new URL(location);
}
