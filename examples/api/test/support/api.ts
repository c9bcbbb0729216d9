import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ApiOptions, createApi } from '../../src/app.ts';
import { createProvider, ISSUER } from './provider.ts';

export const AUDIENCE = 'https://api.example';

/** The API on a free port, with a provider that it trusts. */
export async function startApi(limits?: ApiOptions['limits']) {
  const provider = await createProvider(AUDIENCE);
  const api = createApi({
    issuer: ISSUER,
    audience: AUDIENCE,
    apiKeys: { clientId: 'sample-api', clientSecret: 'secret' },
    fetch: provider.fetch,
    ...(limits && { limits }),
  });
  const failures: unknown[] = [];
  api.on('error', (error) => failures.push(error));
  const server = createServer(api.callback()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;

  return {
    provider,
    port,
    url,
    /** What the API answered with 500: stays empty. */
    failures,
    /** A request by this person, or by nobody; objects are sent as JSON. */
    async send(method: string, path: string, { as, body, headers = {} }: SendOptions = {}): Promise<Response> {
      const json = typeof body === 'object' && !(body instanceof Uint8Array);
      return fetch(url + path, {
        method,
        headers: {
          ...(as !== undefined && { authorization: `Bearer ${await provider.tokenFor(as)}` }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: json ? JSON.stringify(body) : (body as string) }),
      });
    },
    async close(): Promise<void> {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export interface SendOptions {
  readonly as?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

export type RunningApi = Awaited<ReturnType<typeof startApi>>;
