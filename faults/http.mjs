import { Agent, request } from 'node:http';

const agent = new Agent({ keepAlive: true, maxSockets: 64 });
const TIMEOUT = 30_000;

/**
 * One request to one address, whatever its URL says: nodes stand behind one public origin. Redirects are not followed.
 * @returns {Promise<{ status: number, headers: object, text: string } | { failure: 'not-sent' | 'unknown', error: Error }>}
 */
export function send({ port, url, method = 'GET', headers = {}, form, timeout = TIMEOUT, keepAlive = true }) {
  const { host, pathname, search } = new URL(url);
  const body = form && new URLSearchParams(form).toString();
  return new Promise((resolve) => {
    const outgoing = request(
      {
        ...(keepAlive ? { agent } : { agent: false }),
        host: '127.0.0.1',
        port,
        path: `${pathname}${search}`,
        method: body === undefined ? method : 'POST',
        timeout,
        headers: {
          host,
          ...(body !== undefined && {
            'content-type': 'application/x-www-form-urlencoded',
            'content-length': Buffer.byteLength(body),
          }),
          ...headers,
        },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
        response.on('error', (error) => resolve({ failure: 'unknown', error }));
        response.on('aborted', () => resolve({ failure: 'unknown', error: new Error('the answer was cut off') }));
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer in ${timeout} ms`)));
    outgoing.on('error', (error) => {
      resolve({ failure: error.code === 'ECONNREFUSED' ? 'not-sent' : 'unknown', error });
    });
    outgoing.end(body);
  });
}
