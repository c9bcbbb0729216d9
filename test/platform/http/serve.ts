import { type Agent, type OutgoingHttpHeaders, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import Koa, { type Middleware } from 'koa';

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

export interface RunningServer {
  port: number;
  /** Sends exactly these headers, `Host` included, as `fetch` would not. */
  ask(
    path: string,
    options?: { method?: string; headers?: OutgoingHttpHeaders; body?: string | Buffer },
  ): Promise<Answer>;
  close(): Promise<void>;
}

/** A Koa application with only the given middleware, on a free port. */
export async function serve(...middleware: Middleware[]): Promise<RunningServer> {
  const app = new Koa();
  app.silent = true;
  for (const each of middleware) app.use(each);
  const server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    ask: (path, { method = 'GET', headers = {}, body } = {}) =>
      new Promise((resolve, reject) => {
        const request = send({ port, path, method, headers, agent: false }, (response) => {
          const chunks: Buffer[] = [];
          response.on('error', reject);
          response.on('data', (chunk) => chunks.push(chunk));
          response.on('end', () =>
            resolve({
              status: response.statusCode!,
              headers: response.headers,
              body: Buffer.concat(chunks).toString(),
            }),
          );
        });
        request.on('error', reject);
        request.end(body);
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The body of an answer, by a connection of this agent. */
export function get(port: number, path: string, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    send({ port, path, agent }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve(body));
    })
      .on('error', reject)
      .end();
  });
}
