import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Metrics } from '../metrics.ts';
import type { SecretText } from '../secret-text.ts';
import { sha256 } from '../sha256.ts';

const PATH = '/metrics';

/** By what an operator chooses its port. */
export const METRICS_PORT = 'DAEMUN_METRICS_PORT';

export interface MetricsListenerOptions {
  metrics: Pick<Metrics, 'exposition'>;
  /** What a scraper has to present as a bearer token. Without it whoever reaches the port reads. */
  token?: SecretText;
}

/**
 * Answers `GET /metrics` and nothing else. For a port of its own, which is never the public one: figures of a front door tell a
 * stranger when to try it.
 * @see RFC 6750 2.1
 */
export function metricsListener({ metrics, token }: MetricsListenerOptions) {
  const expected = token && sha256(`Bearer ${token.reveal()}`);

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    res.setHeader('Cache-Control', 'no-store');
    if (req.url !== PATH) return end(res, 404, `There is only ${PATH} here.\n`);
    if (req.method !== 'GET' && req.method !== 'HEAD') {
      res.setHeader('Allow', 'GET, HEAD');
      return end(res, 405, 'Only GET and HEAD.\n');
    }
    if (expected && !timingSafeEqual(expected, sha256(req.headers.authorization ?? ''))) {
      res.setHeader('WWW-Authenticate', 'Bearer');
      return end(res, 401, 'The token of DAEMUN_METRICS_TOKEN is needed, as `Authorization: Bearer …`.\n');
    }
    const { contentType, text } = await metrics.exposition();
    end(res, 200, text, contentType);
  }

  return (req: IncomingMessage, res: ServerResponse): void => {
    answer(req, res).catch(() => end(res, 500, 'The figures cannot be read.\n'));
  };
}

function end(res: ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  res.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(text) });
  res.end(res.req.method === 'HEAD' ? undefined : text);
}
