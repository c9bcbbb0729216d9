import type { Audit, AuditContext } from '../audit/audit.ts';
import type { Problem } from '../clients/problem.ts';
import type { Accelerator } from '../platform/accelerator/accelerator.ts';
import type { Database } from '../platform/database/database.ts';
import { isId, parseWith } from './api-key.ts';
import { MARGIN, MAX_AGE } from './api-key-check.ts';
import { lockOwner, revokeApiKeysOf } from './api-keys.store.ts';
import type { Rights } from './rights.ts';
import {
  type ActingServiceAccount,
  type NewServiceAccount,
  newServiceAccountSchema,
  type ServiceAccount,
  type ServiceAccountChanges,
  serviceAccountChangesSchema,
} from './service-account.ts';
import {
  createServiceAccountFinder,
  insertServiceAccount,
  lockServiceAccount,
  readServiceAccount,
  readServiceAccounts,
  setServiceAccountState,
  updateServiceAccount,
} from './service-accounts.store.ts';
import { createTransactions } from './transactions.ts';

type Refused = { kind: 'refused'; problems: Problem[] };
export type StateOutcome = 'done' | 'unchanged' | 'not_found';

/** For administrators and the command line: whoever calls this has looked who asks. */
export interface ServiceAccounts {
  /** `input`: as it came from outside. */
  create(
    input: NewServiceAccount,
    by: AuditContext,
  ): Promise<{ kind: 'created'; serviceAccount: ServiceAccount } | Refused>;
  /** Oldest first, without the deleted. `after`: the id of the last one seen. */
  list(page: { after?: string; limit: number }): Promise<{ serviceAccounts: ServiceAccount[]; next?: string }>;
  find(id: string): Promise<ServiceAccount | undefined>;
  /** Its keys and clients may less from the next use on. */
  change(
    id: string,
    input: ServiceAccountChanges,
    by: AuditContext,
  ): Promise<{ kind: 'changed'; serviceAccount: ServiceAccount } | Refused | { kind: 'not_found' }>;
  /** Its keys and clients do nothing until it is enabled. When it is answered that holds on every node. */
  disable(id: string, by: AuditContext): Promise<StateOutcome>;
  enable(id: string, by: AuditContext): Promise<StateOutcome>;
  /** For good: its keys are revoked, its id is never used again. */
  delete(id: string, by: AuditContext): Promise<'done' | 'not_found'>;
  /** Hot: for clients that speak for one. At most half a second old. */
  findActing(id: string): Promise<ActingServiceAccount | undefined>;
}

export interface ServiceAccountsOptions {
  database: Pick<Database, 'pool' | 'prisma'>;
  audit: Pick<Audit, 'in'>;
  rights: Rights;
  accelerator: Pick<Accelerator, 'cache'>;
  maxAge?: number;
  pause?: (milliseconds: number) => Promise<void>;
}

const ADMINISTRATOR = { role: 'administrator' } as const;

/** Service accounts can be given whatever there is, also what only administrators may. */
const ANYTHING = { kind: 'system', isAdministrator: true } as const;

export function createServiceAccounts({
  database,
  audit,
  rights,
  accelerator,
  maxAge = MAX_AGE,
  pause = wait,
}: ServiceAccountsOptions): ServiceAccounts {
  const cache = accelerator.cache<ActingServiceAccount>({
    name: 'service-accounts',
    level: 'process',
    maxAge,
    mostEntries: 10_000,
    read: createServiceAccountFinder(database.pool),
  });

  const { reading, changing } = createTransactions(database);

  /** Messages between nodes get lost: whoever changes one waits for as long as any node may remember it, or a key of it, as it was. */
  async function settled<Outcome>(id: string, change: Promise<Outcome>): Promise<Outcome> {
    const outcome = await change;
    await Promise.all([cache.forget(id), pause(maxAge + MARGIN)]);
    return outcome;
  }

  async function setState(id: string, state: 'active' | 'disabled', by: AuditContext): Promise<StateOutcome> {
    if (!isId(id)) return 'not_found';
    const change = changing(ADMINISTRATOR, async (tx): Promise<StateOutcome> => {
      const before = await lockServiceAccount(tx, id);
      if (!before || before.state === 'deleted') return 'not_found';
      if (before.state === state) return 'unchanged';
      await setServiceAccountState(tx, id, state);
      const about = { serviceAccount: id, name: before.name };
      if (state === 'disabled') await audit.in(tx).serviceAccountDisabled(about, by);
      else await audit.in(tx).serviceAccountEnabled(about, by);
      return 'done';
    });
    return settled(id, change);
  }

  return {
    async create(input, by) {
      const parsed = parseWith(newServiceAccountSchema, input);
      if (parsed.kind === 'refused') return parsed;
      const { name, description, access = {} } = parsed.value;
      const checked = rights.check(access, ANYTHING, await rights.resolve(access));
      if (checked.kind === 'refused') return checked;
      return changing(ADMINISTRATOR, async (tx) => {
        const columns = { name, description: description || null, access: checked.access };
        const serviceAccount = await insertServiceAccount(tx, { ...columns, createdBy: by.actor ?? null });
        await audit
          .in(tx)
          .serviceAccountCreated({ serviceAccount: serviceAccount.id, name, access: checked.access }, by);
        return { kind: 'created', serviceAccount };
      });
    },

    async list({ after, limit }) {
      if (after !== undefined && !isId(after)) return { serviceAccounts: [] };
      const found = await reading(ADMINISTRATOR, (tx) => readServiceAccounts(tx, { after, limit: limit + 1 }));
      if (found.length <= limit) return { serviceAccounts: found };
      return { serviceAccounts: found.slice(0, limit), next: found[limit - 1]!.id };
    },

    async find(id) {
      const found = isId(id) ? await reading(ADMINISTRATOR, (tx) => readServiceAccount(tx, id)) : undefined;
      return found?.state === 'deleted' ? undefined : found;
    },

    async change(id, input, by) {
      const parsed = parseWith(serviceAccountChangesSchema, input);
      if (parsed.kind === 'refused') return parsed;
      if (!isId(id)) return { kind: 'not_found' };
      const changes = parsed.value;
      const checked = changes.access && rights.check(changes.access, ANYTHING, await rights.resolve(changes.access));
      if (checked?.kind === 'refused') return checked;
      const change = changing(ADMINISTRATOR, async (tx) => {
        const before = await lockServiceAccount(tx, id);
        if (!before || before.state === 'deleted') return { kind: 'not_found' as const };
        const description = changes.description === undefined ? (before.description ?? null) : changes.description;
        const serviceAccount = await updateServiceAccount(tx, id, {
          name: changes.name ?? before.name,
          description: description || null,
          access: checked?.access ?? before.access,
        });
        const changed = Object.entries(changes).flatMap(([name, value]) => (value === undefined ? [] : [name]));
        const about = { serviceAccount: id, name: serviceAccount.name, changed: changed.sort() };
        await audit.in(tx).serviceAccountChanged({ ...about, ...(checked && { access: checked.access }) }, by);
        return { kind: 'changed' as const, serviceAccount };
      });
      return settled(id, change);
    },

    disable: (id, by) => setState(id, 'disabled', by),
    enable: (id, by) => setState(id, 'active', by),

    async delete(id, by) {
      if (!isId(id)) return 'not_found';
      const change = changing(ADMINISTRATOR, async (tx): Promise<'done' | 'not_found'> => {
        const owner = { kind: 'service_account', id } as const;
        // Whoever makes a key at this moment has made it before that, or finds nobody to make it for.
        await lockOwner(tx, owner);
        const before = await lockServiceAccount(tx, id);
        if (!before || before.state === 'deleted') return 'not_found';
        await setServiceAccountState(tx, id, 'deleted');
        const revoked = await revokeApiKeysOf(tx, owner, { by: by.actor, reason: 'service account deleted' });
        const about = { serviceAccount: id, name: before.name, apiKeysRevoked: revoked.length };
        await audit.in(tx).serviceAccountDeleted(about, by);
        return 'done';
      });
      return settled(id, change);
    },

    async findActing(id) {
      return isId(id) ? cache.find(id) : undefined;
    },
  };
}

function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
