import { integer, text } from './values.ts';
import { variable } from './variable.ts';

/** Where figures are told, if anywhere. */
export const metricsVariables = {
  DAEMUN_METRICS_PORT: variable({
    type: 'number',
    meaning:
      'Figures for Prometheus at `/metrics` on this port, on the same address as HOST and never on PORT. Keep it away from the public. Not set: there are none.',
    schema: integer(1, 65_535),
  }),
  DAEMUN_METRICS_TOKEN: variable({
    type: 'text',
    secret: true,
    meaning:
      'What a scraper of DAEMUN_METRICS_PORT presents as a bearer token. Not set: whoever reaches the port may read.',
    schema: text(1024),
  }),
};
