import type { Audit, AuditContext } from '../audit/audit.ts';
import type { Accelerator } from '../platform/accelerator/accelerator.ts';
import type { Database } from '../platform/database/database.ts';
import { retryConflicts } from '../platform/database/statement-batch.ts';
import { API_KEYS_CLIENT } from './api-keys-client.ts';
import type { ClientDetails, RelyingParty } from './client.ts';
import { type ClientCacheOptions, createClientCache } from './client-cache.ts';
import { chosenClientIdProblem, generateClientId } from './client-id.ts';
import { isPublicClient, parseClientMetadata, usesClientSecret } from './client-metadata.ts';
import { referenceProblems } from './client-references.ts';
import { type ClientSecret, generateClientSecret } from './client-secret.ts';
import {
  type ClientRecord,
  createClientFinder,
  insertClient,
  insertSecret,
  lockClient,
  readClient,
  readClients,
  removeSecrets,
  retireSecrets,
  setClientState,
  type Transaction,
  updateClient,
} from './clients.store.ts';
import { displayNameProblem } from './display-name.ts';
import type { Problem } from './problem.ts';
import type { ResourceServer } from './resource-server.ts';

/** A day: long enough to bring a new secret to every instance of an application. */
export const DEFAULT_SECRET_OVERLAP = 86_400;
const MAX_SECRET_OVERLAP = 30 * 86_400;
const MAX_RESOURCES = 50;

export interface NewClient {
  /** Chosen by an administrator only, never by whoever registers. Random when absent. */
  id?: string;
  name: string;
  /** RFC 7591 members; checked here. */
  metadata: Record<string, unknown>;
  isFirstParty?: boolean;
  requirePkce?: boolean;
  resources?: string[];
  /** The service account that it speaks for; null: none. */
  serviceAccountId?: string | null;
}

/** What is absent stays. In `metadata`, null removes a member. */
export type ClientChanges = Partial<Omit<NewClient, 'id'>>;

export type Refused = { kind: 'refused'; problems: Problem[] };
export type CreateOutcome = { kind: 'created'; client: ClientDetails; secret?: ClientSecret } | Refused;
export type UpdateOutcome =
  | { kind: 'updated'; client: ClientDetails; secret?: ClientSecret }
  | Refused
  | { kind: 'not_found' };
export type RotateOutcome =
  | { kind: 'rotated'; client: ClientDetails; secret: ClientSecret }
  | Refused
  | { kind: 'not_found' };
export type StateOutcome = 'done' | 'unchanged' | 'not_found';

export interface Clients {
  /** Hot: from memory, or one prepared statement. Disabled clients are found too. */
  find(id: string): RelyingParty | undefined | Promise<RelyingParty | undefined>;
  show(id: string): Promise<ClientDetails | undefined>;
  list(page: { after?: string; limit: number }): Promise<{ clients: ClientDetails[]; next?: string }>;
  /** The secret is in the outcome and nowhere else. */
  create(input: NewClient, by: AuditContext): Promise<CreateOutcome>;
  update(id: string, changes: ClientChanges, by: AuditContext): Promise<UpdateOutcome>;
  /** The secret before stays valid for the overlap; older ones end at once. */
  rotateSecret(id: string, options: { overlapSeconds?: number }, by: AuditContext): Promise<RotateOutcome>;
  /**
   * Refused on every node from the first moment on, then what it has is ended. When that fails, it is disabled all the same, and what
   * is left worth nothing; disabling it again ends the rest, and a timer does. S-047
   */
  disable(id: string, by: AuditContext): Promise<StateOutcome>;
  /** Nothing that it had before comes back. S-047 */
  enable(id: string, by: AuditContext): Promise<StateOutcome>;
}

export interface ClientsOptions {
  database: Pick<Database, 'pool' | 'prisma'>;
  audit: Pick<Audit, 'in'>;
  /** Ends the client's grants, codes and tokens. May be called again for what is left. */
  endClientAccess(tx: Transaction, clientId: string): Promise<void>;
  /** Resource servers that are no rows: parts of this server. */
  builtIn?: ResourceServer[];
  /** Clients that are no rows: nobody can change them, or take their names. */
  builtInClients?: RelyingParty[];
  cache?: ClientCacheOptions;
  /** Tells other nodes of changes, where there is one. */
  accelerator?: Pick<Accelerator, 'cache'>;
}

/** Milliseconds: for every person who uses it, its grant and its tokens end. */
const PATIENT = { timeout: 10 * 60_000 };

/** A change that is answered holds on every node: see `client-cache.ts`. S-047 */
export function createClients(options: ClientsOptions): Clients {
  const { database, audit, endClientAccess, builtIn = [], builtInClients = [] } = options;
  const ofOurs = new Map([API_KEYS_CLIENT, ...builtInClients].map((client) => [client.id, client]));
  const { prisma, pool } = database;
  const cache = createClientCache(createClientFinder(pool), options.cache, options.accelerator);

  async function settled<Outcome extends StateOutcome | UpdateOutcome | RotateOutcome>(
    id: string,
    change: Promise<Outcome>,
  ): Promise<Outcome> {
    const outcome = await change;
    const kind = typeof outcome === 'string' ? outcome : outcome.kind;
    // What was found unchanged may have been changed a moment ago.
    if (kind !== 'refused' && kind !== 'not_found') await cache.settle(id);
    return outcome;
  }

  function changeState(id: string, state: 'active' | 'disabled', by: AuditContext): Promise<StateOutcome> {
    const change = () =>
      prisma.$transaction(async (tx): Promise<StateOutcome> => {
        const current = await lockClient(tx, id);
        if (!current) return 'not_found';
        if (current.state === state) return 'unchanged';
        // What a disabling that was cut short has left must not come back to life.
        if (state === 'active') await endClientAccess(tx, id);
        await setClientState(tx, id, state);
        const writer = audit.in(tx);
        if (state === 'disabled') await writer.clientDisabled({ clientId: id }, by);
        else await writer.clientEnabled({ clientId: id }, by);
        return 'done';
      }, PATIENT);
    // Ending access locks grants that requests under way lock too.
    return settled(id, retryConflicts(change));
  }

  /** Nothing, if it was enabled meanwhile: that has ended all there was, and what is there now is new. */
  function endAccessOfDisabled(id: string): Promise<void> {
    const end = () =>
      prisma.$transaction(async (tx) => {
        const current = await lockClient(tx, id);
        if (current?.state === 'disabled') await endClientAccess(tx, id);
      }, PATIENT);
    return retryConflicts(end);
  }

  /** Refused everywhere first, and then, which may take minutes, what it has is ended: by whoever disables it again or a timer, if this is cut short. */
  async function disable(id: string, by: AuditContext): Promise<StateOutcome> {
    const outcome = await changeState(id, 'disabled', by);
    if (outcome !== 'not_found') await endAccessOfDisabled(id);
    return outcome;
  }

  return {
    find: (id) => ofOurs.get(id) ?? cache.find(id),
    show: (id) => readClient(prisma, id),

    async list({ after, limit }) {
      const clients = await readClients(prisma, { after, limit: limit + 1 });
      if (clients.length <= limit) return { clients };
      return { clients: clients.slice(0, limit), next: clients[limit - 1]!.id };
    },

    async create(input, by) {
      const idProblem = input.id === undefined ? undefined : chosenClientIdProblem(input.id);
      if (idProblem) return refused([{ field: 'id', message: idProblem }]);
      const checked = check(input.id ?? generateClientId(), input);
      if (checked.kind === 'refused') return checked;
      const { record } = checked;
      const secret = usesClientSecret(record.metadata) ? generateClientSecret() : undefined;
      return prisma.$transaction(async (tx): Promise<CreateOutcome> => {
        const problems = await referenceProblems(tx, record, builtIn);
        if (problems.length) return refused(problems);
        if (!(await insertClient(tx, record))) return refused([{ field: 'id', message: 'is taken' }]);
        if (secret) await insertSecret(tx, record.id, secret);
        await audit.in(tx).clientCreated({ clientId: record.id, name: record.name }, by);
        return { kind: 'created', client: (await readClient(tx, record.id))!, ...(secret && { secret }) };
      });
    },

    async update(id, changes, by) {
      const change = prisma.$transaction(async (tx): Promise<UpdateOutcome> => {
        const current = await lockClient(tx, id);
        if (!current) return { kind: 'not_found' };
        const checked = check(id, merge(current, changes));
        if (checked.kind === 'refused') return checked;
        const { record } = checked;
        if (isPublicClient(record.metadata) !== isPublicClient(current.metadata)) {
          const message = 'cannot change between public and confidential: create another client';
          return refused([{ field: 'token_endpoint_auth_method', message }]);
        }
        const problems = await referenceProblems(tx, record, builtIn);
        if (problems.length) return refused(problems);
        await updateClient(tx, record);
        const secret = await changeAuthentication(tx, current, record);
        await audit.in(tx).clientUpdated({ clientId: id, changed: namesOf(changes) }, by);
        return { kind: 'updated', client: (await readClient(tx, id))!, ...(secret && { secret }) };
      });
      return settled(id, change);
    },

    async rotateSecret(id, { overlapSeconds = DEFAULT_SECRET_OVERLAP }, by) {
      if (!Number.isInteger(overlapSeconds) || overlapSeconds < 0 || overlapSeconds > MAX_SECRET_OVERLAP) {
        return refused([{ field: 'overlap', message: 'must be from 0 seconds to 30 days' }]);
      }
      const change = prisma.$transaction(async (tx): Promise<RotateOutcome> => {
        const current = await lockClient(tx, id);
        if (!current) return { kind: 'not_found' };
        if (!usesClientSecret(current.metadata)) {
          const message = `has no secret: it authenticates by ${current.metadata.token_endpoint_auth_method}`;
          return refused([{ field: 'client', message }]);
        }
        if (overlapSeconds === 0) await removeSecrets(tx, id);
        else await retireSecrets(tx, id, overlapSeconds);
        const secret = generateClientSecret();
        await insertSecret(tx, id, secret);
        await updateClient(tx, current);
        await audit.in(tx).clientSecretRotated({ clientId: id, overlapSeconds }, by);
        return { kind: 'rotated', client: (await readClient(tx, id))!, secret };
      });
      return settled(id, change);
    },

    disable,
    enable: (id, by) => changeState(id, 'active', by),
  };
}

/** A client that stops using a secret loses it; one that begins to gets one. */
async function changeAuthentication(
  tx: Transaction,
  current: ClientDetails,
  { id, metadata }: ClientRecord,
): Promise<ClientSecret | undefined> {
  if (usesClientSecret(metadata) === usesClientSecret(current.metadata)) return undefined;
  await removeSecrets(tx, id);
  if (!usesClientSecret(metadata)) return undefined;
  const secret = generateClientSecret();
  await insertSecret(tx, id, secret);
  return secret;
}

function check(id: string, input: NewClient): { kind: 'valid'; record: ClientRecord } | Refused {
  const { name, isFirstParty = false, requirePkce = true, resources = [], serviceAccountId = null } = input;
  const problems: Problem[] = [];
  const nameProblem = displayNameProblem(name);
  if (nameProblem) problems.push({ field: 'name', message: nameProblem });
  if (resources.length > MAX_RESOURCES) {
    problems.push({ field: 'resources', message: `must not name more than ${MAX_RESOURCES}` });
  }
  const parsed = parseClientMetadata(input.metadata);
  if (parsed.kind === 'invalid') return refused([...problems, ...parsed.problems]);
  const { metadata } = parsed;
  // RFC 9700 2.1.1: nothing else binds the code of a client without a secret to whoever asked for it.
  if (isPublicClient(metadata) && !requirePkce) {
    problems.push({ field: 'requirePkce', message: 'cannot be turned off for a public client' });
  }
  if (serviceAccountId !== null && !metadata.grant_types.includes('client_credentials')) {
    const message = 'is for clients with the grant type client_credentials: no others have tokens of their own';
    problems.push({ field: 'serviceAccountId', message });
  }
  if (problems.length) return refused(problems);
  const columns = { name, metadata, isFirstParty, requirePkce, resources: distinct(resources), serviceAccountId };
  return { kind: 'valid', record: { id, ...columns } };
}

function merge(current: ClientDetails, changes: ClientChanges): NewClient {
  const members = new Map<string, unknown>(Object.entries(current.metadata));
  // Follows the grant types unless it is given.
  if (changes.metadata?.grant_types !== undefined) members.delete('response_types');
  for (const [member, value] of Object.entries(changes.metadata ?? {})) members.set(member, value);
  const metadata = Object.fromEntries([...members].filter(([, value]) => value !== null));
  const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
  return { ...current, ...given, metadata };
}

function namesOf({ metadata = {}, ...changes }: ClientChanges): string[] {
  const given = Object.entries(changes).filter(([, value]) => value !== undefined);
  return [...given.map(([name]) => name), ...Object.keys(metadata)].sort();
}

function refused(problems: Problem[]): Refused {
  return { kind: 'refused', problems };
}

function distinct(values: string[]): string[] {
  return [...new Set(values)];
}
