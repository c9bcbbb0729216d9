import type { Pool } from 'pg';
import type { AuditContext } from '../audit/audit.ts';
import type { ApiKeyRefusal } from '../audit/observations.ts';
import type { Accelerator } from '../platform/accelerator/accelerator.ts';
import { trustedBy } from '../platform/http/client-address.ts';
import { type Access, type Owner, SYSTEM_SUBJECT } from './api-key.ts';
import { createApiKeyParser, digestOfApiKey } from './api-key-value.ts';
import { createApiKeyFinder, type FoundApiKey } from './find-api-key.store.ts';
import type { Rights } from './rights.ts';

/** Milliseconds that a key may be used after it was read, on this node and every other. */
export const MAX_AGE = 500;
const MOST_KEYS = 20_000;
/** More, since timers may be a moment early. */
export const MARGIN = 10;

/** A key that holds, and what may be done with it at this moment. */
export interface ValidApiKey {
  id: string;
  owner: Owner;
  /** Whom it acts for: the `sub` of everything that is made of it. */
  subject: string;
  /** What it may now: not empty. Scopes by resource server's identifier. */
  access: Access;
  createdAt: Date;
  /** Absent: never. */
  expiresAt?: Date;
  /** CIDR blocks that it may be used from; absent: from anywhere. */
  allowedAddresses?: string[];
  /** The owner is an administrator now. */
  isAdministrator: boolean;
}

export type CheckOutcome = { kind: 'valid'; apiKey: ValidApiKey } | { kind: 'refused'; cause: ApiKeyRefusal };

export interface CheckContext {
  /** The resource server that it is presented to or meant for, as it is registered: without rights there the key is refused. */
  resource?: string;
  /** Where it came from, in its canonical form: without it a key that is bound to addresses is refused. */
  address?: string;
  /** For the log. */
  by?: AuditContext;
}

export interface ApiKeyCheck {
  /** Whether it is to be treated as an API key at all, from its beginning. */
  looksLikeApiKey(presented: string): boolean;
  /**
   * Whether a presented value holds, and for what. Why it does not is for the log: a stranger is told of all causes alike.
   * @throws AppError unavailable, when the database cannot be asked in time
   */
  check(presented: string, context: CheckContext): Promise<CheckOutcome>;
  /**
   * To be awaited between the commit of a change and saying that it is done: no node remembers the key as it was any longer.
   * `digest` in hexadecimal.
   */
  settle(digest: string): Promise<void>;
}

export interface ApiKeyCheckOptions {
  pool: Pool;
  prefix: string;
  rights: Pick<Rights, 'effective'>;
  accelerator: Pick<Accelerator, 'cache'>;
  /** Called for each use. */
  onUse(id: string): void;
  /** Called for each refusal; the id where it is one of ours. */
  onRefusal(of: { cause: ApiKeyRefusal; apiKey?: string }, by: AuditContext): void;
  maxAge?: number;
  now?: () => number;
  pause?: (milliseconds: number) => Promise<void>;
}

/**
 * Shape and checksum first, which need nobody. Then what this node read at most half a second ago, also that there is no such key;
 * then one statement. Nodes tell each other of changes, and most hear it at once; but messages get lost, so whoever ends a key waits
 * for as long as any node may remember it. Nodes do not read keys from each other: then it would be their clocks, or a Redis that
 * was set back, that says how long a revoked key lives.
 */
export function createApiKeyCheck({
  pool,
  prefix,
  rights,
  accelerator,
  onUse,
  onRefusal,
  maxAge = MAX_AGE,
  now,
  pause = wait,
}: ApiKeyCheckOptions): ApiKeyCheck {
  const parse = createApiKeyParser(prefix);
  const keys = accelerator.cache<FoundApiKey>({
    name: 'api-keys',
    level: 'process',
    maxAge,
    mostEntries: MOST_KEYS,
    keepsMissing: true,
    read: createApiKeyFinder(pool),
    ...(now && { now }),
  });

  async function judge(
    presented: string,
    { resource, address }: CheckContext,
  ): Promise<CheckOutcome & { id?: string }> {
    const parsed = parse(presented);
    if (parsed.kind !== 'api_key') return refused(parsed.kind);
    const looked = keys.find(digestOfApiKey(parsed.value).toString('hex'));
    const found = looked && 'then' in looked ? await looked : looked;
    if (!found) return refused('unknown');
    const { id, owner, access, createdAt, expiresAt } = found;
    if (found.isRevoked) return refused('revoked', id);
    if (found.isExpired) return refused('expired', id);
    if (!found.isOwnerActive) return refused('owner_disabled', id);
    if (!mayComeFrom(found, address)) return refused('address', id);
    const asked = resource === undefined ? access : only(access, resource);
    const effective = await rights.effective(asked, found.rights);
    if (Object.keys(effective).length === 0) return refused('resource', id);
    return {
      kind: 'valid',
      apiKey: {
        id,
        owner,
        subject: owner.kind === 'system' ? SYSTEM_SUBJECT : owner.id,
        access: effective,
        createdAt,
        ...(expiresAt && { expiresAt }),
        ...(found.allowedAddresses.length > 0 && { allowedAddresses: found.allowedAddresses }),
        isAdministrator: found.rights.isAdministrator,
      },
    };
  }

  return {
    looksLikeApiKey: (presented) => presented.startsWith(prefix),

    async check(presented, context) {
      const { id, ...outcome } = await judge(presented, context);
      if (outcome.kind === 'valid') onUse(outcome.apiKey.id);
      else onRefusal({ cause: outcome.cause, ...(id && { apiKey: id }) }, context.by ?? {});
      return outcome;
    },

    async settle(digest) {
      await Promise.all([keys.forget(digest), pause(maxAge + MARGIN)]);
    },
  };
}

function refused(cause: ApiKeyRefusal, id?: string): CheckOutcome & { id?: string } {
  return { kind: 'refused', cause, ...(id && { id }) };
}

function only(access: Access, resource: string): Access {
  return Object.hasOwn(access, resource) ? { [resource]: access[resource]! } : {};
}

/** Without a list from anywhere; with one only from an address that is known. */
function mayComeFrom(key: FoundApiKey, address: string | undefined): boolean {
  if (key.allowedAddresses.length === 0) return true;
  if (address === undefined) return false;
  key.allows ??= trustedBy(key.allowedAddresses);
  return key.allows(address);
}

function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
