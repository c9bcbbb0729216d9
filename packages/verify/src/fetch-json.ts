export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

const TIMEOUT_MS = 5_000;
/** Discovery documents and key sets are a few kilobytes. */
const MAX_BYTES = 256 * 1024;

export interface FetchedJson {
  readonly document: unknown;
  /** Seconds for which the answer says it is fresh, what it spent in caches taken off; `undefined` when it does not say. */
  readonly maxAge: number | undefined;
}

/** What is asked by POST, as a form. */
export interface Question {
  readonly headers: Readonly<Record<string, string>>;
  readonly form: URLSearchParams;
}

/**
 * Fetches a small JSON document: 200 or nothing, no redirects (a document of trust lives where it was announced),
 * five seconds for headers and body together, and an end to what we are willing to read.
 *
 * @throws Error when there is no such document to be had
 */
export async function fetchJson(url: string, fetch: Fetch, question?: Question): Promise<FetchedJson> {
  const response = await fetch(url, {
    redirect: 'error',
    headers: { accept: 'application/json, application/jwk-set+json', ...question?.headers },
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...(question && { method: 'POST', body: question.form.toString() }),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`${url} answered ${response.status}`);
  }
  return { document: JSON.parse(await readText(response, url)), maxAge: freshness(response.headers) };
}

async function readText(response: Response, url: string): Promise<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let text = '';
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_BYTES) throw new Error(`${url} answered with more than ${MAX_BYTES} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** RFC 9111 sections 4.2.1 and 5.1. */
function freshness(headers: Headers): number | undefined {
  const directives = (headers.get('cache-control') ?? '').toLowerCase();
  if (/(^|[\s,])no-(cache|store)\b/.test(directives)) return 0;
  const maxAge = /(?:^|[\s,])max-age="?(\d{1,9})/.exec(directives)?.[1];
  if (maxAge === undefined) return undefined;
  return Math.max(0, Number(maxAge) - (Number(headers.get('age')) || 0));
}
