import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { expect, test } from '@jest/globals';
import { noteUntrustedProxies } from '../../../src/platform/http/untrusted-proxies.ts';

const HOUR = 3_600_000;

function listener(trustedProxies: string[] = []) {
  const warnings: { facts: Record<string, unknown>; text: string }[] = [];
  let time = 0;
  let served = 0;
  const listen = noteUntrustedProxies(
    {
      trustedProxies,
      logger: { warn: (facts: never, text: never) => void warnings.push({ facts, text }) } as never,
      now: () => time,
    },
    () => {
      served += 1;
    },
  );
  return {
    warnings,
    served: () => served,
    pass(milliseconds: number) {
      time += milliseconds;
    },
    ask(remoteAddress: string | undefined, headers: Record<string, string>) {
      const request = Object.assign(new EventEmitter(), { socket: { remoteAddress }, headers });
      listen(request as unknown as IncomingMessage, {} as ServerResponse);
    },
  };
}

test.each([
  ['x-forwarded-for', '203.0.113.7', 'X-Forwarded-For'],
  ['forwarded', 'for=203.0.113.7', 'Forwarded'],
])('a peer that is no trusted proxy and sends %s is warned about, by the variable to set', (name, value, header) => {
  const { ask, warnings, served } = listener();
  ask('::ffff:10.0.0.3', { [name]: value });
  expect(warnings).toEqual([
    {
      facts: { header, peer: '10.0.0.3', network: 'private', leftOut: 0 },
      text: expect.stringContaining('TRUSTED_PROXIES'),
    },
  ]);
  expect(JSON.stringify(warnings)).not.toContain('203.0.113.7');
  expect(served()).toBe(1);
});

test('a trusted proxy is not warned about, nor is a request without such a header, nor one whose socket is gone', () => {
  const { ask, warnings, served } = listener(['10.0.0.0/8']);
  ask('10.0.0.3', { 'x-forwarded-for': '203.0.113.7' });
  ask('192.0.2.1', {});
  ask(undefined, { 'x-forwarded-for': '203.0.113.7' });
  expect(warnings).toEqual([]);
  expect(served()).toBe(3);
});

test('the same kind of network is told once an hour, however many addresses of it send the header', () => {
  const { ask, warnings, pass } = listener(['127.0.0.1']);
  for (let number = 0; number < 1_000; number++) {
    ask(`10.0.${number >> 8}.${number & 255}`, { 'x-forwarded-for': '203.0.113.7' });
  }
  ask('8.8.8.8', { 'x-forwarded-for': '203.0.113.7' });
  expect(warnings.map(({ facts }) => facts.network)).toEqual(['private', 'unicast']);
  pass(HOUR - 1);
  ask('10.0.0.1', { forwarded: 'for=1' });
  expect(warnings).toHaveLength(2);
  pass(1);
  ask('10.0.0.1', { forwarded: 'for=1' });
  expect(warnings.at(-1)!.facts).toMatchObject({ network: 'private', leftOut: 1_000 });
});
