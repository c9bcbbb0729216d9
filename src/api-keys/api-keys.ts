import type { Notify } from '../accounts/notifications.ts';
import type { Audit, AuditContext } from '../audit/audit.ts';
import type { Problem } from '../clients/problem.ts';
import type { Database } from '../platform/database/database.ts';
import {
  aboutKey,
  actingAs,
  creatorOf,
  findOwner,
  isOwner,
  isPrivileged,
  mayActFor,
  problemsOfGiving,
} from './acting.ts';
import {
  type Acting,
  type ApiKey,
  type ApiKeyChanges,
  apiKeyChangesSchema,
  DEFAULT_OVERLAP,
  isId,
  type NewApiKey,
  newApiKeySchema,
  type Owner,
  parseWith,
  type Rotation,
  rotationSchema,
} from './api-key.ts';
import { type ApiKeyValue, generateApiKeyValue } from './api-key-value.ts';
import {
  countLiveKeys,
  insertApiKey,
  lockApiKey,
  lockOwner,
  newApiKeyId,
  readApiKey,
  readApiKeys,
  retireApiKey,
  revokeApiKey,
  updateApiKey,
} from './api-keys.store.ts';
import { expiryOf, expiryOfChanged, expiryOfSuccessor, type LifetimePolicy } from './expiry.ts';
import { createRevokeByValue, type RevokeByValue } from './revoke-by-value.ts';
import type { Rights } from './rights.ts';
import { createTelling } from './telling.ts';
import { createTransactions } from './transactions.ts';

export type Refused = { kind: 'refused'; problems: Problem[] };
export type CreateOutcome =
  | { kind: 'created'; apiKey: ApiKey; value: ApiKeyValue }
  | Refused
  | { kind: 'limit_reached'; limit: number }
  /** There is none, it is not active, or it is not the one acting. */
  | { kind: 'owner_not_found' };
export type ChangeOutcome =
  | { kind: 'changed'; apiKey: ApiKey }
  | Refused
  | { kind: 'not_found' }
  /** Expired or revoked: such a key stays as it was. */
  | { kind: 'ended' };
export type RotateOutcome =
  | { kind: 'rotated'; apiKey: ApiKey; value: ApiKeyValue; replaced: ApiKey }
  | Refused
  | { kind: 'not_found' }
  | { kind: 'ended' }
  /** It has a successor: whoever is second gets none. */
  | { kind: 'already_rotated'; rotatedTo: string }
  /** So many work, with those that were replaced a while ago. */
  | { kind: 'limit_reached'; limit: number };
export type RevokeOutcome = 'done' | 'unchanged' | 'not_found';

export interface ApiKeys {
  /** The value is in the outcome and nowhere else. `input`: as it came from outside. */
  create(owner: Owner, input: NewApiKey, acting: Acting, by: AuditContext): Promise<CreateOutcome>;
  /** Newest first. `owner`: only those of one; an owner who acts sees their own whatever is asked. `after`: the id of the last one seen. */
  list(
    filter: { owner?: Owner; after?: string; limit: number },
    acting: Acting,
  ): Promise<{ apiKeys: ApiKey[]; next?: string }>;
  /** Nothing of others: their ids are as unknown as those that never were. */
  find(id: string, acting: Acting): Promise<ApiKey | undefined>;
  change(id: string, input: ApiKeyChanges, acting: Acting, by: AuditContext): Promise<ChangeOutcome>;
  /** A new key with the same rights; the one before works on for the overlap. */
  rotate(id: string, input: Rotation, acting: Acting, by: AuditContext): Promise<RotateOutcome>;
  /** Soft, once, and when it is answered it holds on every node. S-064 */
  revoke(id: string, acting: Acting, by: AuditContext, reason?: string): Promise<RevokeOutcome>;
  /** Whoever holds a key may end it. `foundAt`: where, for the owner. Tells nobody else whether there is such a key. */
  revokeByValue: RevokeByValue;
}

export interface ApiKeysOptions extends LifetimePolicy {
  database: Pick<Database, 'pool' | 'prisma'>;
  audit: Pick<Audit, 'in'>;
  notify: Notify;
  rights: Rights;
  /** Awaited after the commit of what ends or narrows a key: from then on no node remembers it as it was. */
  settle(digest: string): Promise<void>;
  prefix: string;
  /** Active keys that one owner may have. */
  perOwner: number;
}

/** What of a key is given, changed and taken. Everything in the transaction that also records it. S-175 */
export function createApiKeys(options: ApiKeysOptions): ApiKeys {
  const { database, audit, notify, rights, settle, prefix, perOwner } = options;
  const { reading, changing } = createTransactions(database);

  const tell = createTelling(notify);

  return {
    async create(owner, input, acting, by) {
      const parsed = parseWith(newApiKeySchema, input);
      if (parsed.kind === 'refused') return parsed;
      const { access, description, name, allowedAddresses = [] } = parsed.value;
      const servers = await rights.resolve(access);
      return changing(actingAs(acting), async (tx): Promise<CreateOutcome> => {
        if (!mayActFor(acting, owner)) return { kind: 'owner_not_found' };
        await lockOwner(tx, owner);
        const found = await findOwner(tx, owner);
        if (!found) return { kind: 'owner_not_found' };
        const checked = rights.check(access, found.rights, servers);
        const end = expiryOf(parsed.value.expiresAt, isPrivileged(acting, found), options);
        if (checked.kind === 'refused' || end.kind === 'refused') return together(checked, end);
        const beyond = problemsOfGiving({ access: checked.access, allowedAddresses }, acting);
        if (beyond.length > 0) return { kind: 'refused', problems: beyond };
        if ((await countLiveKeys(tx, owner)).live >= perOwner) return { kind: 'limit_reached', limit: perOwner };
        const value = generateApiKeyValue(prefix);
        const apiKey = await insertApiKey(tx, {
          owner,
          value: value.reveal(),
          prefix,
          name,
          description: description || undefined,
          access: checked.access,
          allowedAddresses,
          expiresAt: end.expiresAt,
          createdBy: creatorOf(acting, by),
        });
        await audit.in(tx).apiKeyCreated({ ...aboutKey(apiKey), access: apiKey.access }, by);
        await tell(tx, 'api_key_created', apiKey, { by });
        return { kind: 'created', apiKey, value };
      });
    },

    async list({ owner, after, limit }, acting) {
      if ((after !== undefined && !isId(after)) || (owner && !isOwner(owner))) return { apiKeys: [] };
      const subject = acting.as === 'owner' ? acting.subject : undefined;
      const page = { owner, subject, after, limit: limit + 1 };
      const apiKeys = await reading(actingAs(acting), (tx) => readApiKeys(tx, page));
      if (apiKeys.length <= limit) return { apiKeys };
      return { apiKeys: apiKeys.slice(0, limit), next: apiKeys[limit - 1]!.id };
    },

    async find(id, acting) {
      return isId(id) ? reading(actingAs(acting), (tx) => readApiKey(tx, id)) : undefined;
    },

    async change(id, input, acting, by) {
      const parsed = parseWith(apiKeyChangesSchema, input);
      if (parsed.kind === 'refused') return parsed;
      if (!isId(id)) return { kind: 'not_found' };
      const changes = parsed.value;
      const servers = await rights.resolve(changes.access ?? {});
      const outcome = await changing(
        actingAs(acting),
        async (
          tx,
        ): Promise<
          (ChangeOutcome & { kind: 'changed'; digest: string }) | Exclude<ChangeOutcome, { kind: 'changed' }>
        > => {
          const before = await lockApiKey(tx, id);
          if (!before) return { kind: 'not_found' };
          const { apiKey } = before;
          if (apiKey.status !== 'active') return { kind: 'ended' };
          const beyond = problemsOfGiving(apiKey, acting);
          if (beyond.length > 0) return { kind: 'refused', problems: beyond };
          const found = await findOwner(tx, apiKey.owner);
          if (!found) return { kind: 'not_found' };
          const checked = changes.access
            ? rights.check(changes.access, found.rights, servers)
            : { kind: 'valid' as const, access: apiKey.access };
          const end = expiryOfChanged(apiKey, changes.expiresAt, isPrivileged(acting, found), options);
          if (checked.kind === 'refused' || end.kind === 'refused') return together(checked, end);
          const { access } = checked;
          const { allowedAddresses = apiKey.allowedAddresses } = changes;
          const more = problemsOfGiving({ access, allowedAddresses }, acting);
          if (more.length > 0) return { kind: 'refused', problems: more };
          const description = changes.description === undefined ? (apiKey.description ?? null) : changes.description;
          const changed = await updateApiKey(tx, id, {
            name: changes.name ?? apiKey.name,
            description: description || null,
            access,
            allowedAddresses,
            expiresAt: end.expiresAt,
          });
          const names = Object.entries(changes).flatMap(([name, value]) => (value === undefined ? [] : [name]));
          const given = changes.access && { access: changed.access };
          await audit.in(tx).apiKeyChanged({ ...aboutKey(changed), changed: names.sort(), ...given }, by);
          return { kind: 'changed', apiKey: changed, digest: before.digest };
        },
      );
      if (outcome.kind !== 'changed') return outcome;
      await settle(outcome.digest);
      return { kind: 'changed', apiKey: outcome.apiKey };
    },

    async rotate(id, input, acting, by) {
      const parsed = parseWith(rotationSchema, input);
      if (parsed.kind === 'refused') return parsed;
      if (!isId(id)) return { kind: 'not_found' };
      const { overlapSeconds = DEFAULT_OVERLAP, expiresAt } = parsed.value;
      type Rotated = Extract<RotateOutcome, { kind: 'rotated' }> & { digest: string };
      const outcome = await changing(
        actingAs(acting),
        async (tx): Promise<Rotated | Exclude<RotateOutcome, { kind: 'rotated' }>> => {
          const before = await readApiKey(tx, id);
          if (!before) return { kind: 'not_found' };
          await lockOwner(tx, before.owner);
          const beyond = problemsOfGiving(before, acting);
          if (beyond.length > 0) return { kind: 'refused', problems: beyond };
          const found = await findOwner(tx, before.owner);
          if (!found) return { kind: 'not_found' };
          const end = expiryOfSuccessor(before, expiresAt, isPrivileged(acting, found), options);
          if (end.kind === 'refused') return end;
          // Else rotating again and again would give any number of keys that work.
          const isOneMore = overlapSeconds > 0 && before.status === 'active' && !before.rotatedTo;
          if (isOneMore && (await countLiveKeys(tx, before.owner)).working >= 2 * perOwner) {
            return { kind: 'limit_reached', limit: 2 * perOwner };
          }
          const successor = newApiKeyId();
          // The one step that decides: of two at once, one finds nothing to retire.
          const retired = await retireApiKey(tx, id, { rotatedTo: successor, overlapSeconds });
          if (!retired) {
            const { rotatedTo } = (await readApiKey(tx, id))!;
            return rotatedTo ? { kind: 'already_rotated', rotatedTo } : { kind: 'ended' };
          }
          const value = generateApiKeyValue(prefix);
          const { owner, name, description, access, allowedAddresses } = retired.apiKey;
          const same = { owner, prefix, name, description, access, allowedAddresses };
          const made = {
            value: value.reveal(),
            expiresAt: end.expiresAt,
            createdBy: creatorOf(acting, by),
            replaces: id,
          };
          const apiKey = await insertApiKey(tx, { ...same, ...made }, successor);
          await audit.in(tx).apiKeyRotated({ ...aboutKey(apiKey), replaces: id, overlapSeconds }, by);
          await tell(tx, 'api_key_rotated', apiKey, { by });
          return { kind: 'rotated', apiKey, value, replaced: retired.apiKey, digest: retired.digest };
        },
      );
      if (outcome.kind !== 'rotated') return outcome;
      const { digest, ...rotated } = outcome;
      await settle(digest);
      return rotated;
    },

    async revoke(id, acting, by, reason) {
      if (!isId(id)) return 'not_found';
      const outcome = await changing(actingAs(acting), async (tx) => {
        const before = await lockApiKey(tx, id);
        if (!before) return undefined;
        const revoked = await revokeApiKey(tx, id, { by: creatorOf(acting, by), reason });
        if (!revoked) return { kind: 'unchanged' as const, digest: before.digest };
        await audit.in(tx).apiKeyRevoked({ ...aboutKey(revoked.apiKey), ...(reason && { reason }) }, by);
        // Whoever did it themselves knows.
        if (acting.as !== 'owner') await tell(tx, 'api_key_revoked', revoked.apiKey, { by });
        return { kind: 'done' as const, digest: before.digest };
      });
      if (!outcome) return 'not_found';
      // What was found revoked may have been revoked a moment ago.
      await settle(outcome.digest);
      return outcome.kind;
    },

    revokeByValue: createRevokeByValue({ ...options, tell }),
  };
}

function together(...outcomes: ({ kind: 'valid' } | Refused)[]): Refused {
  return { kind: 'refused', problems: outcomes.flatMap((each) => (each.kind === 'refused' ? each.problems : [])) };
}
