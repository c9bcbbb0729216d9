import { AppError } from './app-error.ts';

export interface ApiSession {
  readonly session_id: string;
  readonly version: number;
  readonly data: { readonly note?: unknown };
  readonly updated_at: string;
}

/** The token was not accepted: it must be had anew. */
export class ApiUnauthorized extends Error {
  override readonly name = 'ApiUnauthorized';
}

const TIMEOUT_MS = 10_000;

/** The sample API, for one person at a time: who that is stands in the token, and in the path. */
export class ApiClient {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url.replace(/\/$/, '');
  }

  async list(token: string, subject: string): Promise<ApiSession[]> {
    const { sessions } = (await this.#json('GET', `${userPath(subject)}/sessions`, token)) as {
      sessions: ApiSession[];
    };
    return sessions;
  }

  create(token: string, subject: string, note: string): Promise<unknown> {
    return this.#json('POST', `${userPath(subject)}/session`, token, { data: { note } });
  }

  change(token: string, subject: string, sessionId: string, note: string): Promise<unknown> {
    const path = `${userPath(subject)}/session/${encodeURIComponent(sessionId)}`;
    return this.#json('PUT', path, token, { data: { note } });
  }

  /** The events of a session, as they come. `fetch` and not EventSource, because the stream wants a token. */
  async watch(
    token: string,
    subject: string,
    sessionId: string,
    lastEventId: string,
    signal: AbortSignal,
  ): Promise<Response> {
    const path = `/stream/${encodeURIComponent(subject)}/${encodeURIComponent(sessionId)}`;
    return this.#fetch(path, { signal, headers: { authorization: `Bearer ${token}`, 'last-event-id': lastEventId } });
  }

  async #json(method: string, path: string, token: string, body?: unknown): Promise<unknown> {
    const response = await this.#fetch(path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return response.json();
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    const response = await fetch(this.#url + path, { redirect: 'error', ...init }).catch((cause) => {
      throw new AppError(502, 'The API cannot be reached', 'It does not answer at the moment. Try again in a while.', {
        cause,
      });
    });
    if (response.ok) return response;
    const problem = (await response.json().catch(() => ({}))) as { detail?: string };
    if (response.status === 401) throw new ApiUnauthorized(problem.detail);
    const message = problem.detail ?? `It answered with status ${response.status}.`;
    throw new AppError(response.status === 404 ? 404 : 502, 'The API refused', message, { next: SESSIONS });
  }
}

const SESSIONS = { href: '/sessions', label: 'Go to your sessions' };

function userPath(subject: string): string {
  return `/user/${encodeURIComponent(subject)}`;
}
