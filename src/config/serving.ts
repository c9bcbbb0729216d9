import { SecretText } from '../platform/secret-text.ts';
import type { Config } from './config.ts';
import type { Given } from './schema.ts';

export function servingConfig(given: Given): Config['serving'] {
  return {
    mostRequests: given.DAEMUN_MOST_REQUESTS,
    mostConnections: given.DAEMUN_MOST_CONNECTIONS,
    mostEventLoopDelay: given.DAEMUN_MOST_EVENT_LOOP_DELAY,
    shutdownDelay: given.DAEMUN_SHUTDOWN_DELAY,
  };
}

/** @see https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp */
export function tracingConfig(given: Given): Config['tracing'] {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: base, OTEL_EXPORTER_OTLP_HEADERS: headers } = given;
  const url = given.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? (base && `${base.replace(/\/$/, '')}/v1/traces`);
  if (url === undefined) return undefined;
  return {
    url,
    ...(headers !== undefined && { headers: new SecretText(headers) }),
    serviceName: given.OTEL_SERVICE_NAME,
    ratio: given.OTEL_TRACES_SAMPLER_ARG,
  };
}
