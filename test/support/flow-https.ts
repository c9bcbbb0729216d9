import { request } from 'node:http';

/** What a proxy that ends TLS would send on: plain http to where we listen, with the public host. */
export interface ProxiedAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  cookies: string[];
  text: string;
}

export function throughProxy(
  { origin, issuer }: { origin: string; issuer: string },
  path: string,
  { method = 'GET', headers = {}, body }: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<ProxiedAnswer> {
  const { hostname, port } = new URL(origin);
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { hostname, port, path, method, headers: { host: new URL(issuer).host, accept: 'text/html', ...headers } },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => {
          const cookies = response.headers['set-cookie'] ?? [];
          resolve({ status: response.statusCode!, headers: response.headers, cookies, text });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
