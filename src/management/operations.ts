import { apiKeyOperations } from './api-keys.routes.ts';
import { foundKeyOperations, secretScanningOperations } from './found-keys.routes.ts';
import { meOperations } from './me.routes.ts';
import type { OperationSpec } from './operation.ts';
import { serviceAccountOperations } from './service-accounts.routes.ts';
import { userOperations } from './users.routes.ts';

/** Everything that can be asked, by the name that it has in the OpenAPI document. Fixed paths come before those with parameters. */
export const operations: Readonly<Record<string, OperationSpec>> = {
  ...meOperations,
  ...foundKeyOperations,
  ...apiKeyOperations,
  ...serviceAccountOperations,
  ...userOperations,
  ...secretScanningOperations,
};
