import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  attributes: { key: string; value: Record<string, unknown> }[];
  links: { traceId: string; spanId: string }[];
  status: { code: number };
}

export interface TraceCollector {
  url: string;
  /** As they came over the wire. */
  bodies: string[];
  headers: Record<string, unknown>[];
  spans(): ReceivedSpan[];
  resources(): string;
  close(): Promise<void>;
}

/** Takes traces by OTLP over HTTP, in JSON. @see https://opentelemetry.io/docs/specs/otlp/#otlphttp */
export async function openTraceCollector(): Promise<TraceCollector> {
  const bodies: string[] = [];
  const headers: Record<string, unknown>[] = [];
  const server = createServer(async (req, res) => {
    let body = '';
    for await (const chunk of req.setEncoding('utf8')) body += chunk;
    if (req.url !== '/v1/traces' || req.method !== 'POST') return void res.writeHead(404).end();
    bodies.push(body);
    headers.push(req.headers);
    res.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  // biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of it
  const resourceSpans = (): any[] => bodies.flatMap((body) => JSON.parse(body).resourceSpans);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bodies,
    headers,
    spans: () => resourceSpans().flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }: never) => spans)),
    resources: () => JSON.stringify(resourceSpans().map(({ resource }) => resource)),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
