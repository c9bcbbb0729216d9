import { describe, expect, test } from '@jest/globals';
import type { KeyRecord } from '../../src/signing-keys/key-record.ts';
import { type KeyFacts, keyWarnings } from '../../src/signing-keys/key-warnings.ts';
import { DEFAULT_KEY_POLICY } from '../../src/signing-keys/timing.ts';

const key = (algorithm: string, state: string) => ({ kid: `${algorithm} ${state}`, algorithm, state }) as KeyRecord;
const node = (id: string, version: number, kekIds = ['new', 'old']) => ({ id, version, kekIds, seenAgo: 1 });

const well: KeyFacts = {
  version: 7,
  keys: [key('ES256', 'active'), key('ES256', 'published')],
  algorithms: ['ES256'],
  nextTransitionIn: 3_600,
  versionSince: 3_600,
  nodes: [node('one', 7)],
  ofNode: { confirmedAgo: 1, clockAhead: 0, problems: [], unusable: [] },
  ofDatabase: { kekIdsInUse: ['new'], here: ['new', 'old'] },
};
const told = (more: Partial<KeyFacts>) => keyWarnings({ ...well, ...more }, DEFAULT_KEY_POLICY);

test('nothing is said while all is well, nor of what is not known', () => {
  expect(told({})).toEqual([]);
  const { ofNode: _, ofDatabase: __, ...alone } = well;
  expect(keyWarnings({ ...alone, nodes: [] }, DEFAULT_KEY_POLICY)).toEqual([]);
});

describe('whoever looks is told', () => {
  test.each<[string, Partial<KeyFacts>, RegExp]>([
    ['signer_missing', { keys: [key('ES256', 'published')] }, /ES256/],
    ['spare_missing', { keys: [key('ES256', 'active')], sparesMissingFor: 61 }, /ES256/],
    ['transition_overdue', { nextTransitionIn: -61 }, /61 s/],
    ['versions_diverge', { nodes: [node('one', 7), node('two', 6)] }, /version 7: two \(6\)\./],
    ['nodes_missing', { nodes: [] }, /No node/],
    ['key_encryption_key_missing', { nodes: [node('one', 7, ['old'])] }, /Node one lacks key-encryption key new\./],
    [
      'key_encryption_key_old',
      { ofDatabase: { kekIdsInUse: ['new', 'old'], here: ['new', 'old'] } },
      /under old still, not under the first key new/,
    ],
    ['key_encryption_key_missing', { ofNode: { ...well.ofNode!, problems: ['cannot be opened'] } }, /cannot be opened/],
    ['key_unusable', { ofNode: { ...well.ofNode!, unusable: ['row 1'] } }, /row 1/],
    ['view_outdated', { ofNode: { ...well.ofNode!, confirmedAgo: 16 } }, /16 s/],
    ['clock_differs', { ofNode: { ...well.ofNode!, clockAhead: -6 } }, /6 s behind/],
  ])('%s', (kind, more, text) => {
    expect(told(more)).toEqual([{ kind, text: expect.stringMatching(text) }]);
  });
});

test('what happens by itself within a minute, and a change that is on its way, are no reason to warn', () => {
  expect(told({ keys: [key('ES256', 'active')], sparesMissingFor: 60 })).toEqual([]);
  expect(told({ nextTransitionIn: -60 })).toEqual([]);
  // The node that looks read fifteen seconds ago what the others had said by then.
  expect(told({ nodes: [node('one', 6)], versionSince: 30 })).toEqual([]);
});
