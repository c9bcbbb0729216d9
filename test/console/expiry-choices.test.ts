import { expect, test } from '@jest/globals';
import type { ApiKey } from '../../src/api-keys/api-key.ts';
import { chosenAtFirst, dateRange, expiryChoices, readExpiry } from '../../src/console/expiry-choices.ts';

const DAY = 86_400;
const NOW = Date.parse('2026-11-21T12:00:00Z');
const person = { lifetime: 90 * DAY, longestLifetime: 366 * DAY, isUnlimited: false };
const administrator = { ...person, isUnlimited: true };
const key = { expiresAt: new Date('2027-01-01T00:00:00Z') } as ApiKey;

const valuesOf = (...given: Parameters<typeof expiryChoices>) => expiryChoices(...given).map(({ value }) => value);
const days = (...numbers: number[]) => numbers.map((number) => String(number * DAY));

test('what the operator set is offered, chosen at first, and never more than people may give', () => {
  expect(valuesOf(person, '')).toEqual([...days(7, 30, 90, 365), 'date']);
  expect(chosenAtFirst(person, undefined)).toBe(String(90 * DAY));
  const short = { ...person, lifetime: 12 * 3600, longestLifetime: 10 * DAY };
  expect(valuesOf(short, '')).toEqual([String(12 * 3600), ...days(7), 'date']);
  const crossed = { ...person, longestLifetime: 10 * DAY };
  expect(valuesOf(crossed, '')).toEqual([...days(7, 10), 'date']);
  expect(chosenAtFirst(crossed, undefined)).toBe(String(10 * DAY));
  expect(valuesOf(administrator, '')).toEqual([...days(7, 30, 90, 365), 'date', 'never']);
});

test('an existing key keeps its end unless another is chosen', () => {
  expect(valuesOf(person, 'keep', key)[0]).toBe('keep');
  expect(expiryChoices(person, 'keep', key)[0]).toMatchObject({ chosen: true, until: '2027-01-01T00:00:00.000Z' });
  expect(expiryChoices(person, 'keep', {} as ApiKey)[0]).toMatchObject({ label: { key: 'api-key.expiry.keep-never' } });
  expect(readExpiry({ expiry: 'keep', date: '' }, person, key, NOW)).toEqual({ kind: 'valid', expiresAt: undefined });
});

test('a last day is over when it is over in UTC, and never after the longest life', () => {
  const read = (date: string, policy = person) => readExpiry({ expiry: 'date', date }, policy, undefined, NOW);
  expect(read('2026-11-21')).toEqual({ kind: 'valid', expiresAt: '2026-11-21T23:59:59.000Z' });
  expect(read('2026-11-20')).toMatchObject({ kind: 'refused', problem: { key: 'api-key.date.past' } });
  expect(dateRange(person, NOW)).toEqual({ first: '2026-11-22', last: '2027-11-22' });
  // On the last day allowed it ends with the time of day of now.
  expect(read('2027-11-22')).toEqual({ kind: 'valid', expiresAt: '2027-11-22T12:00:00.000Z' });
  expect(read('2027-11-23')).toMatchObject({ kind: 'refused', problem: { key: 'api-key.date.too-late' } });
  expect(read('2090-01-31', administrator)).toEqual({ kind: 'valid', expiresAt: '2090-01-31T23:59:59.000Z' });
  expect(dateRange(administrator, NOW)).toEqual({ first: '2026-11-22' });
  for (const date of ['', 'soon', '2027-02-29', '2027-13-01', '+020000-01-01', '2027-1-1', '0000-00-00']) {
    expect([date, read(date)]).toEqual([date, expect.objectContaining({ problem: { key: 'api-key.date.missing' } })]);
  }
});
