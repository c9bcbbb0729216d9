import { describe, expect, test } from '@jest/globals';
import { SEED, search } from './check.ts';
import { FAULTS } from './faults.ts';
import { REAL } from './logic.ts';

const HISTORIES = 5000;

/** What is planted here would be found if it were in the product. */
describe(`every planted fault is found (seed ${SEED})`, () => {
  test.each(FAULTS)(
    '$name: $violates',
    ({ logic, violates }) => {
      const finding = search({ ...REAL, ...logic }, HISTORIES);
      expect(violates).toContain(finding?.property);
    },
    60_000,
  );
});
