import { integer } from './values.ts';
import { variable } from './variable.ts';

/** How much is taken at once, and how the service goes. */
export const servingVariables = {
  DAEMUN_MOST_REQUESTS: variable({
    type: 'number',
    default: '500',
    meaning:
      'Requests in progress at once per process. Further ones get 503 with `Retry-After` before any work on them begins; health, keys and discovery are always answered.',
    schema: integer(20, 100_000),
  }),
  DAEMUN_MOST_CONNECTIONS: variable({
    type: 'number',
    default: '5000',
    meaning:
      'Connections open at once per process; each takes 10 to 20 KiB. A further one takes the place of the oldest that has not asked for anything, or of the one on which nothing was answered for the longest time, and is closed itself where all are busy.',
    schema: integer(20, 1_000_000),
  }),
  DAEMUN_MOST_EVENT_LOOP_DELAY: variable({
    type: 'number of milliseconds',
    default: '500',
    meaning:
      'How late the event loop may come, twice in a row, before requests get 503 while more than a few are in progress.',
    schema: integer(20, 60_000),
  }),
  DAEMUN_SHUTDOWN_DELAY: variable({
    type: 'number of seconds',
    default: '0',
    meaning:
      'After SIGTERM: how long requests are still taken while `/readyz` says no, until load balancers have noticed. Requests in progress then get up to 25 seconds; let whoever stops the service wait for 35 seconds more than this.',
    schema: integer(0, 300),
  }),
};
