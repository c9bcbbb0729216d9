import { workerCount } from './values.ts';
import { variable } from './variable.ts';

/** How many processes share the work on one machine. */
export const workersVariables = {
  WORKERS: variable({
    type: 'number or auto',
    default: '1',
    meaning:
      'Processes that answer on PORT, under one that starts, watches and replaces them; `auto` is one for each core. More than one needs DATABASE_URL. Each has its own DAEMUN_DATABASE_POOL_SIZE connections, and without REDIS_URL counts addresses on its own. SIGHUP replaces them one by one.',
    schema: workerCount,
  }),
};
