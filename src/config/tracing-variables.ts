import { z } from 'zod';
import { text } from './values.ts';
import { variable } from './variable.ts';

const collector = z
  .string()
  .refine((value) => URL.canParse(value) && /^https?:/.test(value), 'must be an http or https URL');

const ratio = z
  .string()
  .regex(/^(?:0(?:\.\d+)?|1(?:\.0+)?)$/, 'must be a number from 0 to 1')
  .transform(Number);

/** Where traces are sent, if anywhere: the variables that every program with OpenTelemetry has. */
export const tracingVariables = {
  OTEL_EXPORTER_OTLP_ENDPOINT: variable({
    type: 'URL',
    meaning:
      'Where a collector takes OpenTelemetry by OTLP over HTTP: traces go to `/v1/traces` below it. Not set: there are none, and the library is not loaded. Further `OTEL_` variables (batch sizes, limits, certificates) are the library’s own.',
    schema: collector,
  }),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: variable({
    type: 'URL',
    meaning: 'The same for traces alone, with its path.',
    schema: collector,
  }),
  OTEL_EXPORTER_OTLP_HEADERS: variable({
    type: 'name=value list',
    secret: true,
    meaning: 'What is sent to the collector along with them, separated by commas, such as `api-key=…`.',
    schema: text(8192),
  }),
  OTEL_SERVICE_NAME: variable({
    type: 'text',
    default: 'daemun',
    meaning: 'What this service is called in traces.',
    schema: text(255),
  }),
  OTEL_TRACES_SAMPLER_ARG: variable({
    type: 'number from 0 to 1',
    default: '1',
    meaning:
      'How many of the traces that begin here are kept. Proxies of TRUSTED_PROXIES decide by `traceparent` for those that begin there.',
    schema: ratio,
  }),
};
