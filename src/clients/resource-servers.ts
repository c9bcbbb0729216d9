import type { Audit, AuditContext } from '../audit/audit.ts';
import { type Accelerator, createInProcessAccelerator } from '../platform/accelerator/accelerator.ts';
import type { Database } from '../platform/database/database.ts';
import type { Problem } from './problem.ts';
import { resourceKey } from './resource-identifier.ts';
import { type NewResourceServer, parseResourceServer, type ResourceServer } from './resource-server.ts';
import {
  insertResourceServer,
  lockRegistrations,
  lockResourceServer,
  readResourceServers,
  updateResourceServer,
} from './resource-servers.store.ts';

export type { NewResourceServer, ResourceServer } from './resource-server.ts';

/** How old the copy in memory may be, in milliseconds: how late other nodes see a change that they were not told of. */
const MAX_AGE = 5_000;
const ALL = 'all';

type Refused = { kind: 'refused'; problems: Problem[] };

/** What is absent stays; null returns to the server's default. */
export type ResourceServerChanges = { [K in Exclude<keyof ResourceServer, 'identifier'>]?: ResourceServer[K] | null };

export interface ResourceServers {
  /** Also finds it by another spelling of its host or of its trailing slash; the answer has the registered one. */
  find(identifier: string): ResourceServer | undefined | Promise<ResourceServer | undefined>;
  list(): Promise<ResourceServer[]>;
  create(
    input: NewResourceServer,
    by: AuditContext,
  ): Promise<{ kind: 'created'; resourceServer: ResourceServer } | Refused>;
  update(
    identifier: string,
    changes: ResourceServerChanges,
    by: AuditContext,
  ): Promise<{ kind: 'updated'; resourceServer: ResourceServer } | Refused | { kind: 'not_found' }>;
}

export interface ResourceServersOptions {
  database: Pick<Database, 'pool' | 'prisma'>;
  audit: Pick<Audit, 'in'>;
  /** Nobody may register it: a token for it would pass for one that is addressed to this server. */
  issuer: string;
  /** Those that are not registered: parts of this server. They are found, and not listed. */
  builtIn?: ResourceServer[];
  /** Shares with other nodes what was read, where there is one. */
  accelerator?: Pick<Accelerator, 'cache'>;
  now?: () => number;
}

export function createResourceServers({
  database: { pool, prisma },
  audit,
  issuer,
  builtIn = [],
  accelerator = createInProcessAccelerator(),
  now,
}: ResourceServersOptions): ResourceServers {
  // There are tens of them, so they are kept together.
  const cache = accelerator.cache<ResourceServer[]>({
    name: 'resource-servers',
    level: 'shared',
    maxAge: MAX_AGE,
    mostEntries: 1,
    read: () => readResourceServers(pool),
    ...(now && { now }),
  });
  const ofOurs = new Map(builtIn.map((each) => [resourceKey(each.identifier), each]));
  let indexed: { all: ResourceServer[]; byKey: Map<string, ResourceServer> } | undefined;

  function lookUp(all: ResourceServer[], identifier: string): ResourceServer | undefined {
    if (indexed?.all !== all) {
      indexed = { all, byKey: new Map(all.map((each) => [resourceKey(each.identifier), each])) };
    }
    // Most spell it as it is registered, which needs no parsing.
    return indexed.byKey.get(identifier) ?? indexed.byKey.get(resourceKey(identifier));
  }

  async function forget<T>(result: T): Promise<T> {
    await cache.forget(ALL);
    return result;
  }

  return {
    find(identifier) {
      const own = ofOurs.get(identifier) ?? ofOurs.get(resourceKey(identifier));
      if (own) return own;
      const all = cache.find(ALL);
      return all && 'then' in all ? all.then((found) => lookUp(found!, identifier)) : lookUp(all!, identifier);
    },

    list: () => readResourceServers(pool),

    async create(input, by) {
      const parsed = parseResourceServer(input);
      if (parsed.kind === 'invalid') return { kind: 'refused', problems: parsed.problems };
      const { resourceServer } = parsed;
      const { identifier, name } = resourceServer;
      if (resourceKey(identifier) === resourceKey(issuer)) return refusedIdentifier('is this server itself');
      if (ofOurs.has(resourceKey(identifier))) return refusedIdentifier('is an API of this server itself');
      return prisma
        .$transaction(async (tx): Promise<{ kind: 'created'; resourceServer: ResourceServer } | Refused> => {
          const taken = (await lockRegistrations(tx)).find((other) => resourceKey(other) === resourceKey(identifier));
          if (taken) return refusedIdentifier(`is registered already, as ${taken}`);
          await insertResourceServer(tx, resourceServer);
          await audit.in(tx).resourceServerCreated({ resource: identifier, name }, by);
          return { kind: 'created', resourceServer };
        })
        .then(forget);
    },

    async update(identifier, changes, by) {
      return prisma
        .$transaction(async (tx) => {
          const before = await lockResourceServer(tx, identifier);
          if (!before) return { kind: 'not_found' as const };
          const parsed = parseResourceServer(merge(before, changes));
          if (parsed.kind === 'invalid') return { kind: 'refused' as const, problems: parsed.problems };
          await updateResourceServer(tx, parsed.resourceServer);
          await audit.in(tx).resourceServerUpdated({ resource: identifier, changed: Object.keys(changes).sort() }, by);
          return { kind: 'updated' as const, resourceServer: parsed.resourceServer };
        })
        .then(forget);
    },
  };
}

function merge(before: ResourceServer, changes: ResourceServerChanges): Record<string, unknown> {
  const given = Object.entries(changes).filter(([, value]) => value !== undefined);
  const merged = Object.entries({ ...before, ...Object.fromEntries(given) });
  return Object.fromEntries(merged.filter(([, value]) => value !== null));
}

function refusedIdentifier(message: string): Refused {
  return { kind: 'refused', problems: [{ field: 'identifier', message }] };
}
