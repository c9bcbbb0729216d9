import type { ContextManager, Tracer } from '@opentelemetry/api';
import type { SpanExporter } from '@opentelemetry/sdk-trace-base';
import { createBoundedLog } from '../bounded-log.ts';
import type { Logger } from '../logger.ts';
import type { SecretText } from '../secret-text.ts';

export interface TraceExportOptions {
  /** Where a collector takes traces, the path included. */
  url: string;
  /** As OTEL_EXPORTER_OTLP_HEADERS has them: `name=value`, separated by commas. */
  headers?: SecretText;
  serviceName: string;
  /** Of the traces that begin here, from 0 to 1. A caller that is trusted decides for its own. */
  ratio: number;
}

export interface TraceExport {
  tracer: Tracer;
  contexts: ContextManager;
  close(): Promise<void>;
}

/** Milliseconds. */
const EXPORT_TIMEOUT = 5_000;
const LONGEST_FLUSH = 3_000;
const QUEUE = 4_096;

/**
 * The SDK, which is loaded here and only where it is configured. Spans wait in a bounded queue; when the collector is slow or away
 * they are dropped, and nothing else happens but a line in the log now and then.
 */
export async function openExport(options: TraceExportOptions, logger: Pick<Logger, 'warn'>): Promise<TraceExport> {
  const sdk = await import('@opentelemetry/sdk-trace-base');
  const { AsyncLocalStorageContextManager } = await import('@opentelemetry/context-async-hooks');
  const { resourceFromAttributes } = await import('@opentelemetry/resources');
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
  const exporter = new OTLPTraceExporter({
    url: options.url,
    headers: parseHeaders(options.headers?.reveal() ?? ''),
    timeoutMillis: EXPORT_TIMEOUT,
  });
  const provider = new sdk.BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': options.serviceName }),
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(options.ratio) }),
    spanProcessors: [new sdk.BatchSpanProcessor(noting(exporter, logger), { maxQueueSize: QUEUE })],
  });
  return {
    tracer: provider.getTracer('daemun'),
    contexts: new AsyncLocalStorageContextManager().enable(),
    async close() {
      let timer: NodeJS.Timeout | undefined;
      const enough = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, LONGEST_FLUSH);
      });
      await Promise.race([provider.shutdown().catch(() => {}), enough]);
      clearTimeout(timer);
    },
  };
}

/** The SDK by itself says nothing when spans are lost. */
function noting(exporter: SpanExporter, logger: Pick<Logger, 'warn'>): SpanExporter {
  const mayLog = createBoundedLog({ lines: 1 });
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const leftOut = result.error && mayLog('lost');
        if (result.error && leftOut !== undefined) {
          const { name, code } = result.error as Error & { code?: unknown };
          logger.warn({ spans: spans.length, errorName: name, errorCode: code, leftOut }, 'traces were not delivered');
        }
        done(result);
      });
    },
    forceFlush: async () => exporter.forceFlush?.(),
    shutdown: () => exporter.shutdown(),
  };
}

/** @see https://opentelemetry.io/docs/specs/otel/protocol/exporter/#specifying-headers-via-environment-variables */
export function parseHeaders(text: string): Record<string, string> {
  const pairs = text.split(',').flatMap((pair): [string, string][] => {
    const at = pair.indexOf('=');
    return at > 0 ? [[pair.slice(0, at).trim(), decode(pair.slice(at + 1).trim())]] : [];
  });
  return Object.fromEntries(pairs);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
