import type { Outbound } from '../http/outbound.ts';
import type { Tracing } from './tracing.ts';

type Methods<Target> = {
  [Name in keyof Target as Target[Name] extends (...given: never[]) => Promise<unknown> ? Name : never]?: string;
};

/** The same object, some of whose methods are spans of the given names. */
export function traceMethods<Target extends object>(tracing: Tracing, target: Target, names: Methods<Target>): Target {
  if (!tracing.isOn) return target;
  const traced = Object.entries(names as Record<string, string>).map(([method, name]) => {
    const work = (target as Record<string, (...given: unknown[]) => Promise<unknown>>)[method]!;
    return [
      method,
      (...given: unknown[]) => tracing.span('internal', name, {}, () => work.apply(target, given)),
    ] as const;
  });
  return { ...target, ...Object.fromEntries(traced) };
}

/** Requests of ours to other servers: which host and how it ended. They are not told what they are a part of. */
export function traceOutbound(tracing: Tracing, outbound: Outbound): Outbound {
  if (!tracing.isOn) return outbound;
  return async (url, request) => {
    const method = request?.method ?? 'GET';
    const { hostname } = new URL(url);
    const span = tracing.begin('client', method, { 'http.request.method': method, 'server.address': hostname });
    try {
      const answer = await outbound(url, request);
      span.end({ attributes: { 'http.response.status_code': answer.status } });
      return answer;
    } catch (error) {
      span.end({ error });
      throw error;
    }
  };
}
