import { type ClientRecord, readScopesOfResources, serviceAccountExists, type Transaction } from './clients.store.ts';
import type { Problem } from './problem.ts';
import type { ResourceServer } from './resource-server.ts';
import { splitScope } from './scope.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** What is wrong with what a client names of others: resource servers, their scopes, a service account. */
export async function referenceProblems(
  tx: Transaction,
  record: ClientRecord,
  builtIn: ResourceServer[],
): Promise<Problem[]> {
  const { serviceAccountId } = record;
  const problems = await resourceProblems(tx, record, builtIn);
  const isKnown =
    !serviceAccountId || (UUID.test(serviceAccountId) && (await serviceAccountExists(tx, serviceAccountId)));
  return isKnown ? problems : [...problems, { field: 'serviceAccountId', message: 'is no service account' }];
}

/** Resource servers must exist, and `scope` must be made of what they and the identity scopes offer. */
async function resourceProblems(
  tx: Transaction,
  { metadata, resources }: ClientRecord,
  builtIn: ResourceServer[],
): Promise<Problem[]> {
  const scopesOf = await readScopesOfResources(tx, resources);
  for (const { identifier, scopes } of builtIn) {
    if (resources.includes(identifier))
      scopesOf.set(
        identifier,
        scopes.map(({ name }) => name),
      );
  }
  const problems = resources
    .filter((identifier) => !scopesOf.has(identifier))
    .map((identifier) => ({ field: 'resources', message: `names ${identifier}, which is not registered` }));
  const offered = [...scopesOf.values()].flat();
  const unknown = splitScope(metadata.scope ?? '').resource.filter((name) => !offered.includes(name));
  if (unknown.length) {
    const message = `has ${unknown.join(', ')}, which neither its resource servers nor the identity scopes offer`;
    problems.push({ field: 'scope', message });
  }
  return problems;
}
