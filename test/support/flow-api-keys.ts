import type { ApiKey, NewApiKey, Owner } from '../../src/api-keys/api-key.ts';
import { createApiKeyCheck } from '../../src/api-keys/api-key-check.ts';
import { createApiKeys } from '../../src/api-keys/api-keys.ts';
import { createRights, type FindResourceServer } from '../../src/api-keys/rights.ts';
import { createServiceAccounts } from '../../src/api-keys/service-accounts.ts';
import type { Audit } from '../../src/audit/audit.ts';
import type { ApiKeyRefusal } from '../../src/audit/observations.ts';
import { createInProcessAccelerator } from '../../src/platform/accelerator/accelerator.ts';
import type { Database } from '../../src/platform/database/database.ts';

export const PREFIX = 'sk-';
const BY = { actor: 'test' };
const AS_ADMINISTRATOR = { as: 'administrator' } as const;

/** API keys of one node, as the service puts them together, without mail. Nodes hear nothing from each other. */
export function createFlowApiKeys({
  database,
  audit,
  issuer,
  findResourceServer,
}: {
  database: Database;
  audit: Audit;
  issuer: string;
  findResourceServer: FindResourceServer;
}) {
  const accelerator = createInProcessAccelerator();
  const rights = createRights({ issuer, find: findResourceServer });
  const uses: string[] = [];
  const refusals: { cause: ApiKeyRefusal; apiKey?: string }[] = [];
  const check = createApiKeyCheck({
    pool: database.pool,
    prefix: PREFIX,
    rights,
    accelerator,
    onUse: (id) => uses.push(id),
    onRefusal: (of) => refusals.push(of),
  });
  const apiKeys = createApiKeys({
    database,
    audit,
    notify: async () => {},
    rights,
    settle: check.settle,
    prefix: PREFIX,
    perOwner: 100,
    lifetime: 90 * 86_400,
    longestLifetime: 366 * 86_400,
  });
  const serviceAccounts = createServiceAccounts({ database, audit, rights, accelerator });

  return {
    check,
    /** As the service was told of them. */
    uses,
    refusals,
    serviceAccounts,
    ...apiKeys,
    /** Makes one, by an administrator, and fails the test when it is refused. */
    async make(
      owner: Owner,
      input: Partial<NewApiKey> & Pick<NewApiKey, 'access'>,
    ): Promise<ApiKey & { value: string }> {
      const outcome = await apiKeys.create(owner, { name: 'Test', ...input }, AS_ADMINISTRATOR, BY);
      if (outcome.kind !== 'created') throw new Error(JSON.stringify(outcome));
      return { ...outcome.apiKey, value: outcome.value.reveal() };
    },
    revokeNow: (id: string) => apiKeys.revoke(id, AS_ADMINISTRATOR, BY),
    /** As if somebody had changed the row, past every rule. */
    async tamper(id: string, assignment: string): Promise<void> {
      await database.prisma.$transaction(async (tx) => {
        await tx.$executeRaw`SELECT set_config('daemun.role', 'administrator', true)`;
        await tx.$executeRawUnsafe(`UPDATE api_keys SET ${assignment} WHERE id = '${id}'`);
      });
    },
    async makeServiceAccount(access: Record<string, string[]>, name = 'Robot'): Promise<string> {
      const outcome = await serviceAccounts.create({ name, access }, BY);
      if (outcome.kind !== 'created') throw new Error(JSON.stringify(outcome));
      return outcome.serviceAccount.id;
    },
  };
}

export type FlowApiKeys = ReturnType<typeof createFlowApiKeys>;
