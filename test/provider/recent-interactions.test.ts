import { describe, expect, test } from '@jest/globals';
import { recordOf } from '../../src/provider/artifact-record.ts';
import { createRecentInteractions } from '../../src/provider/recent-interactions.ts';

const question = (id: string, parameters: object = {}) =>
  recordOf('Interaction', id, { params: parameters, returnTo: '/' } as never, 600);

function clock() {
  let time = 0;
  return { now: () => time, pass: (milliseconds: number) => (time += milliseconds) };
}

describe('what a node remembers of sign-ins that are under way', () => {
  test('a question is found for a minute, and by nobody who needs the answer', () => {
    const { now, pass } = clock();
    const recent = createRecentInteractions(now);
    const record = question('one');
    recent.remember(record);
    pass(59_999);
    expect(recent.find(record.id, 'question')).toMatchObject({ payload: record.payload, account: null });
    expect(recent.find(record.id, 'answer')).toBeUndefined();
    pass(1);
    expect(recent.find(record.id, 'question')).toBeUndefined();
  });

  test('an answer and its person are found for two seconds, because either may change', () => {
    const { now, pass } = clock();
    const recent = createRecentInteractions(now);
    const record = question('one');
    recent.remember(record);
    recent.remember(record, { account: '{"id":"somebody"}' });
    pass(1_999);
    expect(recent.find(record.id, 'answer')).toMatchObject({ account: '{"id":"somebody"}' });
    pass(1);
    expect(recent.find(record.id, 'answer')).toBeUndefined();
    expect(recent.find(record.id, 'question')).toBeUndefined();
  });

  test('nothing outlives its own lifetime, or is found once it is forgotten', () => {
    const { now, pass } = clock();
    const recent = createRecentInteractions(now);
    const [brief, other] = [{ ...question('brief'), lifetime: 1 }, question('other')];
    recent.remember(brief);
    recent.remember(other);
    pass(1_000);
    expect(recent.find(brief.id, 'question')).toBeUndefined();
    recent.forget(other.id);
    expect(recent.find(other.id, 'question')).toBeUndefined();
  });

  test('strangers fill no memory: of many the oldest go, and what is long is not kept', () => {
    const recent = createRecentInteractions();
    const many = Array.from({ length: 1_001 }, (_, index) => question(String(index)));
    for (const record of many) recent.remember(record);
    expect(recent.find(many[0]!.id, 'question')).toBeUndefined();
    expect(recent.find(many[1]!.id, 'question')).toBeDefined();
    const long = question('long', { state: 's'.repeat(4_096) });
    recent.remember(long);
    expect(recent.find(long.id, 'question')).toBeUndefined();
  });
});
