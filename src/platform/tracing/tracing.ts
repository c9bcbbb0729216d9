import type { Context, ContextManager, Span, SpanContext, Tracer } from '@opentelemetry/api';
import type { Logger } from '../logger.ts';
import { openExport, type TraceExport, type TraceExportOptions } from './export.ts';
import { parseTraceparent } from './traceparent.ts';

export type SpanAttributes = Record<string, string | number>;
export type SpanKind = 'client' | 'internal';

/** What goes on. Whoever begins a span ends it. */
export interface OpenSpan {
  /** `error`: it failed. Told is its code or its name: what an error says may hold anything. */
  end(outcome?: { error?: unknown; attributes?: SpanAttributes }): void;
}

export interface RequestSpan {
  name: string;
  attributes: SpanAttributes;
  traceparent: string | undefined;
  /** Whether the caller may say what the request is a part of. */
  isTrusted: boolean;
}

/**
 * Spans for OpenTelemetry. Names and attributes come out of short lists and code: never who somebody is, an address, a value of a
 * statement, nor anything a stranger wrote. S-037
 */
export interface Tracing {
  /** False where nobody looks, so that nothing needs to be wrapped. */
  readonly isOn: boolean;
  /** Runs `work` in the span of a request, which it ends. */
  serve(request: RequestSpan, work: (span: OpenSpan) => void): void;
  /** A part of what goes on now, in which nothing else begins; outside of everything it is nothing. */
  begin(kind: SpanKind, name: string, attributes: SpanAttributes): OpenSpan;
  /** A part of what goes on now. */
  span<Result>(kind: SpanKind, name: string, attributes: SpanAttributes, work: () => Promise<Result>): Promise<Result>;
  /** The same function, which will run in what goes on now, whoever calls it. */
  bind<Callback>(callback: Callback): Callback;
  /** Sends what is left, for a few seconds at most. */
  close(): Promise<void>;
}

const NOTHING: OpenSpan = { end() {} };

/** Where nobody looks: the library is not even loaded. */
export const noTracing: Tracing = {
  isOn: false,
  serve: (_request, work) => work(NOTHING),
  begin: () => NOTHING,
  span: (_kind, _name, _attributes, work) => work(),
  bind: (callback) => callback,
  close: async () => {},
};

/** Spans sent to a collector by OTLP over HTTP. @see https://opentelemetry.io/docs/specs/otlp/ */
export async function createTracing(options: TraceExportOptions, logger: Pick<Logger, 'warn'>): Promise<Tracing> {
  const api = await import('@opentelemetry/api');
  return tracingOver(api, await openExport(options, logger));
}

/** The names and numbers of the library that are values, and so are there only once it was loaded. */
type Api = Pick<typeof import('@opentelemetry/api'), 'trace' | 'ROOT_CONTEXT' | 'SpanKind' | 'SpanStatusCode'>;

function tracingOver({ trace, ROOT_CONTEXT, SpanKind, SpanStatusCode }: Api, exported: TraceExport): Tracing {
  const { tracer, contexts }: { tracer: Tracer; contexts: ContextManager } = exported;
  const kinds = { client: SpanKind.CLIENT, internal: SpanKind.INTERNAL };

  function opened(span: Span): OpenSpan {
    return {
      end({ error, attributes } = {}) {
        if (attributes) span.setAttributes(attributes);
        if (error !== undefined) {
          span.setAttribute('error.type', typeOf(error));
          span.setStatus({ code: SpanStatusCode.ERROR });
        }
        span.end();
      },
    };
  }

  function start(kind: SpanKind, name: string, attributes: SpanAttributes): { span: Span; within: Context } {
    const active = contexts.active();
    const span = tracer.startSpan(name, { kind: kinds[kind], attributes }, active);
    return { span, within: trace.setSpan(active, span) };
  }

  return {
    isOn: true,

    serve({ name, attributes, traceparent, isTrusted }, work) {
      const remote: SpanContext | undefined = parseTraceparent(traceparent);
      const parent = remote && isTrusted ? trace.setSpanContext(ROOT_CONTEXT, remote) : ROOT_CONTEXT;
      const links = remote && !isTrusted ? [{ context: remote }] : [];
      const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes, links }, parent);
      contexts.with(trace.setSpan(parent, span), () => work(opened(span)));
    },

    // Background work asks for something every second: each question would be a trace of its own.
    begin: (kind, name, attributes) =>
      trace.getSpan(contexts.active()) ? opened(start(kind, name, attributes).span) : NOTHING,

    async span(kind, name, attributes, work) {
      const { span, within } = start(kind, name, attributes);
      const { end } = opened(span);
      try {
        const result = await contexts.with(within, work);
        end();
        return result;
      } catch (error) {
        end({ error });
        throw error;
      }
    },

    bind: (callback) => contexts.bind(contexts.active(), callback),
    close: exported.close,
  };
}

function typeOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  return typeof code === 'string' ? code : typeof name === 'string' ? name : 'unknown';
}
