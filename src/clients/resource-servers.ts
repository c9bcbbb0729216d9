import type { Audit, AuditContext } from '../audit/audit.ts';
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

/** How old the copy in memory may be, in milliseconds: how late other nodes see a change. */
const MAX_AGE = 5_000;

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
  now?: () => number;
}

export function createResourceServers({
  database: { pool, prisma },
  audit,
  issuer,
  now = () => performance.now(),
}: ResourceServersOptions): ResourceServers {
  let copy: { byKey: Map<string, ResourceServer>; until: number } | undefined;
  let reading: Promise<Map<string, ResourceServer>> | undefined;

  /** Callers share one reading. A failed one is not kept, and fails them all. */
  async function readAll(): Promise<Map<string, ResourceServer>> {
    const until = now() + MAX_AGE;
    const mine = readResourceServers(pool).then(
      (all) => new Map(all.map((resourceServer) => [resourceKey(resourceServer.identifier), resourceServer])),
    );
    reading = mine;
    try {
      const byKey = await mine;
      // Unless something was changed here meanwhile.
      if (reading === mine) copy = { byKey, until };
      return byKey;
    } finally {
      if (reading === mine) reading = undefined;
    }
  }

  function forget<T>(result: T): T {
    copy = undefined;
    reading = undefined;
    return result;
  }

  return {
    find(identifier) {
      if (copy && now() < copy.until) return lookUp(copy.byKey, identifier);
      return (reading ?? readAll()).then((byKey) => lookUp(byKey, identifier));
    },

    list: () => readResourceServers(pool),

    async create(input, by) {
      const parsed = parseResourceServer(input);
      if (parsed.kind === 'invalid') return { kind: 'refused', problems: parsed.problems };
      const { resourceServer } = parsed;
      const { identifier, name } = resourceServer;
      if (resourceKey(identifier) === resourceKey(issuer)) return refusedIdentifier('is this server itself');
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

/** Most spell it as it is registered, which needs no parsing. */
function lookUp(byKey: Map<string, ResourceServer>, identifier: string): ResourceServer | undefined {
  return byKey.get(identifier) ?? byKey.get(resourceKey(identifier));
}

function merge(before: ResourceServer, changes: ResourceServerChanges): Record<string, unknown> {
  const given = Object.entries(changes).filter(([, value]) => value !== undefined);
  const merged = Object.entries({ ...before, ...Object.fromEntries(given) });
  return Object.fromEntries(merged.filter(([, value]) => value !== null));
}

function refusedIdentifier(message: string): Refused {
  return { kind: 'refused', problems: [{ field: 'identifier', message }] };
}
