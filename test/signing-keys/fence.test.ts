import { expect, test } from '@jest/globals';
import { type Look, maySign } from '../../src/signing-keys/fence.ts';
import { DEFAULT_KEY_POLICY } from '../../src/signing-keys/timing.ts';

const look = (confirmedAt: number, signers: string[], revoked: string[] = []): Look => ({
  version: 1,
  confirmedAt,
  signers: new Set(signers),
  revoked: new Set(revoked),
});

test.each<[string, Look, Look, number, boolean]>([
  ['its own look is fresh', look(0, ['k']), look(0, ['k']), 11_999, true],
  ['it is not, nor is a newer one', look(0, ['k']), look(0, ['k']), 12_000, false],
  ['it is not, and the newest still names the key', look(0, ['k']), look(9_000, ['k']), 20_000, true],
  ['it is not, and the newest names another', look(0, ['k']), look(9_000, ['n']), 20_000, false],
  ['it is fresh, and the newest names another', look(9_000, ['k']), look(20_000, ['n']), 20_000, true],
  ['it is fresh, and the newest revoked the key', look(20_000, ['k']), look(20_000, ['n'], ['k']), 20_000, false],
])('whether a key may sign when %s', (_name, own, newest, now, expected) => {
  expect(maySign('k', own, newest, now, DEFAULT_KEY_POLICY)).toBe(expected);
});
