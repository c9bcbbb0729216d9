import type { ApiKey } from '../api-keys/api-key.ts';
import type { ApiKeyFormView } from '../interactions/console-views.ts';
import type { Message } from '../platform/http/messages.ts';

const DAY = 86_400;
/** Days. */
const SPANS = [7, 30, 90, 365];
const DATE = /^\d{4}-\d{2}-\d{2}$/;

/** Seconds; `isUnlimited`: an administrator, who may also choose a later end, or none. */
export interface ExpiryPolicy {
  lifetime: number;
  longestLifetime: number;
  isUnlimited: boolean;
}

/** A number of seconds, `date`, `never`, or for an existing key `keep`. */
export function chosenAtFirst(policy: ExpiryPolicy, key: ApiKey | undefined): string {
  return key ? 'keep' : String(usualLifetime(policy));
}

export function expiryChoices(policy: ExpiryPolicy, chosen: string, key?: ApiKey): ApiKeyFormView['expiry'] {
  const choices: Omit<ApiKeyFormView['expiry'][number], 'chosen'>[] = [
    ...(key?.expiresAt
      ? [{ value: 'keep', label: { key: 'api-key.expiry.keep' }, until: key.expiresAt.toISOString() }]
      : key
        ? [{ value: 'keep', label: { key: 'api-key.expiry.keep-never' } }]
        : []),
    ...spansOf(policy).map((seconds) => ({
      value: String(seconds),
      label: { key: 'api-key.expiry.for', args: { duration: { seconds } } },
    })),
    { value: 'date', label: { key: 'api-key.expiry.date' } },
    ...(policy.isUnlimited ? [{ value: 'never', label: { key: 'api-key.expiry.never' } }] : []),
  ];
  return choices.map((choice) => ({ ...choice, chosen: choice.value === chosen }));
}

/** Tomorrow, and the last that is allowed. */
export function dateRange({ isUnlimited, longestLifetime }: ExpiryPolicy, now = Date.now()): ApiKeyFormView['dates'] {
  const first = dayOf(now + 1000 * DAY);
  return isUnlimited ? { first } : { first, last: dayOf(now + 1000 * longestLifetime) };
}

export type ChosenExpiry =
  /** RFC 3339; null: never; undefined: as it is. */
  | { kind: 'valid'; expiresAt: string | null | undefined }
  | { kind: 'refused'; field: 'expiry' | 'date'; problem: Message };

export function readExpiry(
  { expiry, date }: { expiry: string; date: string },
  policy: ExpiryPolicy,
  key?: ApiKey,
  now = Date.now(),
): ChosenExpiry {
  if (expiry === 'keep' && key) return { kind: 'valid', expiresAt: undefined };
  if (expiry === 'never' && policy.isUnlimited) return { kind: 'valid', expiresAt: null };
  if (expiry === 'date') return readDate(date.trim(), policy, now);
  if (!spansOf(policy).map(String).includes(expiry)) {
    return { kind: 'refused', field: 'expiry', problem: { key: 'api-key.expiry.invalid' } };
  }
  return { kind: 'valid', expiresAt: new Date(now + 1000 * Number(expiry)).toISOString() };
}

function readDate(date: string, { isUnlimited, longestLifetime }: ExpiryPolicy, now: number): ChosenExpiry {
  const refused = (problem: Message): ChosenExpiry => ({ kind: 'refused', field: 'date', problem });
  // To its last second: people read a last day as one on which it still works.
  const end = DATE.test(date) ? Date.parse(`${date}T23:59:59Z`) : Number.NaN;
  // The 31st of February would be the 3rd of March.
  if (Number.isNaN(end) || dayOf(end) !== date) return refused({ key: 'api-key.date.missing' });
  if (end <= now) return refused({ key: 'api-key.date.past' });
  const latest = now + 1000 * longestLifetime;
  // The last day may be chosen, and ends earlier then.
  if (!isUnlimited && Date.parse(`${date}T00:00:00Z`) > latest) {
    return refused({ key: 'api-key.date.too-late', args: { duration: { seconds: longestLifetime } } });
  }
  return { kind: 'valid', expiresAt: new Date(isUnlimited ? end : Math.min(end, latest)).toISOString() };
}

/** What the operator chose, unless people may not give as much. */
function usualLifetime({ lifetime, longestLifetime, isUnlimited }: ExpiryPolicy): number {
  return isUnlimited ? lifetime : Math.min(lifetime, longestLifetime);
}

/** The usual ones that are allowed, and the configured one. */
function spansOf(policy: ExpiryPolicy): number[] {
  const { longestLifetime, isUnlimited } = policy;
  const usual = SPANS.map((days) => days * DAY).filter((seconds) => isUnlimited || seconds <= longestLifetime);
  return [...new Set([...usual, usualLifetime(policy)])].sort((one, other) => one - other);
}

function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}
