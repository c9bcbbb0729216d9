import { expect, test } from '@jest/globals';
import { createReadiness } from '../../../src/platform/http/health.ts';
import { createMetrics } from '../../../src/platform/metrics.ts';

async function make(checks: Parameters<typeof createReadiness>[0]['checks']) {
  const metrics = await createMetrics();
  const lines: unknown[][] = [];
  const state = { stopping: false };
  const isReady = createReadiness({
    isStopping: () => state.stopping,
    checks,
    metrics,
    logger: { warn: (...line: unknown[]) => void lines.push(line) } as never,
  });
  return { isReady, state, lines, text: async () => (await metrics.exposition()).text };
}

test('however many ask, everything is looked at once; each change is a line and a figure', async () => {
  let asked = 0;
  let answer: (isWell: boolean) => void = () => {};
  const { isReady, lines, text } = await make({
    keys: () => true,
    database: () => {
      asked += 1;
      return new Promise<boolean>((resolve) => {
        answer = resolve;
      });
    },
  });
  const many = Array.from({ length: 100 }, isReady);
  await new Promise((resolve) => setImmediate(resolve));
  answer(false);
  expect(new Set(await Promise.all(many))).toEqual(new Set([false]));
  expect(asked).toBe(1);
  expect(lines).toEqual([[{ check: 'database', isWell: false }, 'not ready']]);
  expect(await text()).toContain('daemun_ready{check="database"} 0');
  expect(await text()).toContain('daemun_ready{check="keys"} 1');
  const later = isReady();
  await new Promise((resolve) => setImmediate(resolve));
  answer(true);
  expect([await later, asked]).toEqual([true, 2]);
  expect(lines.at(-1)).toEqual([{ check: 'database', isWell: true }, 'ready again']);
});

test('a check that throws says no, and while stopping nothing is even looked at', async () => {
  let asked = 0;
  const { isReady, state } = await make({
    keys: () => {
      asked += 1;
      throw new Error('broken');
    },
  });
  expect(await isReady()).toBe(false);
  state.stopping = true;
  expect([await isReady(), asked]).toEqual([false, 1]);
});
