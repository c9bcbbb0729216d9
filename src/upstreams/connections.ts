import type { Audit, AuditContext } from '../audit/audit.ts';
import type { Database } from '../platform/database/database.ts';
import { createDisabledConnections, disableConnection, enableConnection } from './connections.store.ts';
import type { Upstream } from './upstream.ts';

export interface UpstreamConnection {
  provider: string;
  displayName: string;
  disabledAt?: Date;
}

export type ConnectionChange = 'done' | 'unchanged' | 'not_found';

/** What an administrator does with the connections. */
export interface UpstreamConnections {
  /** Every one that is configured, in that order. */
  list(): Promise<UpstreamConnection[]>;
  /** Ends every sign-in through it at once, also those that are under way at the provider. S-100 */
  disable(provider: string, by: AuditContext): Promise<ConnectionChange>;
  enable(provider: string, by: AuditContext): Promise<ConnectionChange>;
}

export interface UpstreamConnectionsOptions {
  database: Pick<Database, 'pool' | 'prisma'>;
  upstreams: Pick<Upstream, 'provider' | 'displayName'>[];
  audit: Pick<Audit, 'in'>;
}

export function createUpstreamConnections(options: UpstreamConnectionsOptions): UpstreamConnections {
  const { database, upstreams, audit } = options;
  const disabled = createDisabledConnections(database.pool);

  function change(provider: string, by: AuditContext, to: 'disabled' | 'enabled'): Promise<ConnectionChange> {
    return database.prisma.$transaction(async (tx): Promise<ConnectionChange> => {
      if (!upstreams.some((upstream) => upstream.provider === provider)) return 'not_found';
      const isChanged = await (to === 'disabled' ? disableConnection : enableConnection)(tx, provider);
      if (!isChanged) return 'unchanged';
      const writer = audit.in(tx);
      if (to === 'disabled') await writer.upstreamConnectionDisabled({ provider }, by);
      else await writer.upstreamConnectionEnabled({ provider }, by);
      return 'done';
    });
  }

  return {
    async list() {
      const since = await disabled();
      return upstreams.map(({ provider, displayName }) => {
        const disabledAt = since.get(provider);
        return { provider, displayName, ...(disabledAt && { disabledAt }) };
      });
    },
    disable: (provider, by) => change(provider, by, 'disabled'),
    enable: (provider, by) => change(provider, by, 'enabled'),
  };
}
