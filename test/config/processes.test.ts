import { describe, expect, test } from '@jest/globals';
import { loadConfig } from '../../src/config/load.ts';

const DATABASE_URL = 'postgresql://daemun@127.0.0.1/daemun';
const load = (env: Record<string, string>) => loadConfig([], env);

describe('WORKERS', () => {
  test('is one unless something else is said', () => {
    expect(load({}).workers).toBe(1);
    expect(load({ DATABASE_URL, WORKERS: '3' }).workers).toBe(3);
  });

  test('auto is as many as there are cores, and one with the embedded database', () => {
    expect(load({ DATABASE_URL, WORKERS: 'auto' }).workers).toBeGreaterThanOrEqual(1);
    expect(load({ WORKERS: 'auto' }).workers).toBe(1);
  });

  test('more than one is refused with the embedded database, which serves one process', () => {
    expect(() => load({ WORKERS: '2' })).toThrow(/WORKERS must be 1 with the embedded database.*DATABASE_URL/s);
  });

  test.each(['0', '-1', '65', 'many', '1.5'])('%s is refused', (WORKERS) => {
    expect(() => load({ DATABASE_URL, WORKERS })).toThrow(/WORKERS must be a number from 1 to 64, or auto/);
  });

  test('more than one without Redis warns that addresses are counted by each', () => {
    expect(load({ DATABASE_URL, WORKERS: '2' }).warnings.join()).toMatch(/Each worker counts addresses on its own/);
  });
});

describe('DATABASE_POOLER', () => {
  test('comes with an address past it, or without', () => {
    expect(load({ DATABASE_URL }).database).not.toHaveProperty('pooler');
    expect(load({ DATABASE_URL, DATABASE_POOLER: 'transaction' }).database).toMatchObject({ pooler: {} });
    const { database } = load({ DATABASE_URL, DATABASE_POOLER: 'transaction', DATABASE_DIRECT_URL: DATABASE_URL });
    expect(database.kind === 'postgresql' && database.pooler?.directUrl?.reveal()).toBe(DATABASE_URL);
  });

  test('is refused in halves', () => {
    expect(() => load({ DATABASE_POOLER: 'transaction' })).toThrow(/DATABASE_POOLER needs DATABASE_URL/);
    expect(() => load({ DATABASE_URL, DATABASE_DIRECT_URL: DATABASE_URL })).toThrow(
      /DATABASE_DIRECT_URL needs DATABASE_POOLER=transaction/,
    );
  });
});
