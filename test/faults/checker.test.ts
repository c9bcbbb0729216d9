import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
// @ts-expect-error plain JavaScript, which `npm run faults` runs as it is
import { check } from '../../faults/checker.mjs';

/** As in faults/history.mjs. */
type Operation = Record<string, unknown> & { kind: string };

type AuditRow = {
  type: string;
  requestId: string;
  userId: string;
  clientId: string;
  sessionId?: string;
  actor: string | null;
};

const ANA = 'ana';
const NOTES = 'notes';
const FAMILY = ['family:1', 'session:1', `user:${ANA}`, `consent:${ANA}/${NOTES}`];

const issued = (...values: string[]) => values.map((value) => ({ value, groups: FAMILY }));
const artifact = (model: string, value: string, row = {}) =>
  [
    createHash('sha256').update(`${model}:${value}`).digest('hex'),
    { kind: model, revoked: false, consumed: false, ...row },
  ] as const;

const session = (row: object, value = 'old') => artifact('Session', value, { uid: 'uid-1', userId: ANA, ...row });

/** A history without a fault, and the database as it should be after it. Each call gives a new one to break. */
function record() {
  let now = 0;
  const operations: Operation[] = [];
  const add = (operation: Operation) => {
    const number = operations.length;
    now += 20;
    const entry = { id: `request-${number}`, start: now - 10, end: now, outcome: 'acknowledged', ...operation };
    operations.push(entry);
    return entry;
  };
  const facts = { userId: ANA, clientId: NOTES };
  add({ kind: 'sign-in', audit: ['sign_in.succeeded'], facts });
  add({ kind: 'consent', audit: ['consent.granted'], facts: { ...facts, scopes: ['openid'] } });
  add({ kind: 'resume', yields: issued('session:1', 'code:a'), facts });
  add({
    kind: 'exchange',
    spends: ['code:a'],
    ends: { refused: ['family:1'] },
    yields: issued('access:a', 'refresh:a'),
    audit: ['token.issued'],
    facts,
  });
  add({
    kind: 'refresh',
    spends: ['refresh:a'],
    ends: { refused: ['family:1'] },
    yields: issued('access:b', 'refresh:b'),
    audit: ['token.issued'],
    facts,
  });
  add({ kind: 'introspect', accepts: ['access:b'], facts });
  add({
    kind: 'set-password',
    spends: ['link:z'],
    ends: { acknowledged: ['user:ben'] },
    audit: ['password.changed'],
    facts: { userId: 'ben', link: 'z' },
  });
  const database = {
    artifacts: new Map<string, object>([
      artifact('AuthorizationCode', 'a', { consumed: true }),
      artifact('RefreshToken', 'a', { consumed: true }),
      artifact('RefreshToken', 'b'),
      artifact('AccessToken', 'a'),
      artifact('AccessToken', 'b'),
    ]),
    audit: operations.flatMap(({ id, audit = [], facts = {} }) => {
      const { userId = ANA } = facts as { userId?: string };
      const row = { requestId: String(id), userId, clientId: NOTES, actor: null };
      return (audit as string[]).map((type): AuditRow => ({ type, ...row }));
    }),
    consents: new Map([[`${ANA}/${NOTES}`, ['openid']]]),
    sessions: [{ uid: 'uid-1', userId: ANA, ended: false }],
    links: new Map([[createHash('sha256').update('one-time-link:z').digest('hex'), new Date()]]),
    users: new Map([[ANA, 'active']]),
  };
  return { operations, database, add, facts };
}

type Recorded = ReturnType<typeof record>;

test('a history without a fault is judged to have none', () => {
  const { operations, database } = record();
  expect(check({ operations, database })).toEqual([]);
});

describe('each planted fault is found', () => {
  const planted: [string, (recorded: Recorded) => void, RegExp][] = [
    [
      'a token that was handed out is not in the database',
      ({ database }) => database.artifacts.delete(artifact('RefreshToken', 'b')[0]),
      /^acknowledged and lost: refresh:b of refresh is not in the database/,
    ],
    [
      'a token that was handed out is revoked, and nobody had asked for that',
      ({ database }) => database.artifacts.set(...artifact('RefreshToken', 'b', { revoked: true })),
      /^acknowledged and lost: refresh:b of refresh is void/,
    ],
    [
      'a token that was handed out is refused',
      ({ add }) => add({ kind: 'introspect', accepts: ['access:b'], outcome: 'refused' }),
      /^acknowledged and lost: access:b was refused by introspect/,
    ],
    [
      'a token that was being handed out while access ended is taken after it',
      ({ add }) => {
        const slow = add({ kind: 'refresh', yields: issued('access:l') });
        add({ kind: 'disable-user', ends: { acknowledged: [`user:${ANA}`] } });
        Object.assign(slow, { end: add({ kind: 'wait' }).end });
        add({ kind: 'userinfo', accepts: ['access:l'] });
      },
      /^accepted after its end: access:l by userinfo, ended by disable-user/,
    ],
    [
      'a consent that was given is not remembered',
      ({ database }) => database.consents.clear(),
      /^acknowledged and lost: the consent of ana to notes/,
    ],
    [
      'a link that was used is not spent',
      ({ database }) => {
        for (const digest of database.links.keys()) database.links.set(digest, null as never);
      },
      /^acknowledged and lost: the link of ben/,
    ],
    [
      'a code is taken twice',
      ({ add }) => add({ kind: 'exchange', spends: ['code:a'], yields: [] }),
      /^spent twice: code:a was taken 2 times/,
    ],
    [
      'a one-time link is taken twice',
      ({ add }) => add({ kind: 'set-password', spends: ['link:z'], facts: { userId: 'ben', link: 'z' } }),
      /^spent twice: link:z was taken 2 times/,
    ],
    [
      'a refresh token has two successors',
      ({ add, database }) => {
        add({ kind: 'refresh', spends: ['refresh:a'], yields: issued('refresh:c') });
        database.artifacts.set(...artifact('RefreshToken', 'c'));
      },
      /^spent twice: refresh:a has 2 successors/,
    ],
    [
      'a refresh token is taken again after its successor was used',
      ({ add, database }) => {
        add({ kind: 'refresh', spends: ['refresh:b'], yields: issued('refresh:c') });
        database.artifacts.set(...artifact('RefreshToken', 'c'));
        add({ kind: 'refresh', spends: ['refresh:a'], yields: issued('refresh:b') });
      },
      /^spent twice: refresh:a was taken again after its successor had been used/,
    ],
    [
      'a refresh token is taken again after the grace period',
      ({ add }) =>
        add({
          kind: 'refresh',
          spends: ['refresh:a'],
          yields: issued('access:b', 'refresh:b'),
          start: 60_000,
          end: 60_010,
        }),
      /^spent twice: refresh:a was taken again after the grace period/,
    ],
    [
      'a revoked token is accepted',
      ({ add }) => {
        add({ kind: 'revoke', ends: { acknowledged: ['family:1'] } });
        add({ kind: 'introspect', accepts: ['access:b'] });
      },
      /^accepted after its end: access:b by introspect, ended by revoke/,
    ],
    [
      'a token outlives the session that was signed out',
      ({ add }) => {
        add({ kind: 'sign-out', ends: { acknowledged: ['session:1'] } });
        add({ kind: 'refresh', spends: ['refresh:b'], yields: issued('refresh:c') });
      },
      /^accepted after its end: refresh:b by refresh, ended by sign-out/,
    ],
    [
      'tokens outlive the replay of their code',
      ({ add }) => {
        add({ kind: 'exchange', spends: ['code:a'], ends: { refused: ['family:1'] }, outcome: 'refused' });
        add({ kind: 'introspect', accepts: ['access:b'] });
      },
      /^accepted after its end: access:b by introspect, ended by exchange/,
    ],
    [
      'a session goes on after its sign-out',
      ({ add }) => {
        add({ kind: 'sign-out', ends: { acknowledged: ['session:1'] } });
        add({ kind: 'silent', accepts: ['session:1'] });
      },
      /^accepted after its end: session:1 by silent, ended by sign-out/,
    ],
    [
      'a token is taken after its person was disabled',
      ({ add }) => {
        add({ kind: 'disable-user', ends: { acknowledged: [`user:${ANA}`] } });
        add({ kind: 'userinfo', accepts: ['access:b'] });
      },
      /^accepted after its end: access:b by userinfo, ended by disable-user/,
    ],
    [
      'a code that nobody took is refused',
      ({ add }) => {
        add({ kind: 'resume', yields: issued('code:u') });
        add({ kind: 'exchange', spends: ['code:u'], ends: { refused: ['family:1'] }, outcome: 'refused' });
      },
      /^acknowledged and lost: code:u was refused by exchange/,
    ],
    [
      'a person who was made is not there',
      ({ add }) => add({ kind: 'create-user', facts: { userId: 'cleo' } }),
      /^acknowledged and lost: the person cleo is not in the database/,
    ],
    [
      'a command that was carried out has no row',
      ({ add, database }) => {
        add({ kind: 'disable-user', audit: ['user.disabled'], facts: { userId: 'ben', actor: 'cli' } });
        database.audit.push({
          type: 'user.disabled',
          requestId: '',
          userId: ANA,
          clientId: NOTES,
          actor: 'cli',
        });
      },
      /^audit row missing: user.disabled of an acknowledged disable-user/,
    ],
    [
      'a code that was taken is refused, which ends its family, and there is no row of it',
      ({ add }) => add({ kind: 'exchange', spends: ['code:a'], ends: { refused: ['family:1'] }, outcome: 'refused' }),
      /^audit row missing: code.replayed of a refused exchange/,
    ],
    [
      'a spent refresh token is refused, which ends its family, and there is no row of it',
      ({ add }) => add({ kind: 'refresh', spends: ['refresh:a'], ends: { refused: ['family:1'] }, outcome: 'refused' }),
      /^audit row missing: refresh_token.replayed of a refused refresh/,
    ],
    [
      'there is a row of a request that nobody made',
      ({ database }) =>
        database.audit.push({
          type: 'token.issued',
          requestId: 'request-0815',
          userId: ANA,
          clientId: NOTES,
          actor: null,
        }),
      /^audit row too many: token.issued of a request that nobody made/,
    ],
    [
      'an event that was acknowledged has no row',
      ({ database }) => database.audit.splice(2, 1),
      /^audit row missing: token.issued of an acknowledged exchange/,
    ],
    [
      'an event has two rows',
      ({ database }) => database.audit.push(database.audit[0]!),
      /^audit row too many: 2 rows of sign_in.succeeded for one sign-in/,
    ],
    [
      'a request that was refused has the row of a success',
      ({ add, database, facts }) => {
        const { id } = add({ kind: 'sign-in', outcome: 'refused', facts }) as unknown as { id: string };
        database.audit.push({ type: 'sign_in.succeeded', requestId: id, userId: ANA, clientId: NOTES, actor: null });
      },
      /^audit row too many: sign_in.succeeded of a sign-in that was refused/,
    ],
    [
      'a session has left the list of its person, and there is no row of it',
      ({ database }) => Object.assign(database.sessions[0]!, { ended: true }),
      /^ended without a record: a session of ana/,
    ],
    [
      'a session that is still listed is over, and there is no row of it',
      ({ database }) => database.artifacts.set(...session({ revoked: true })),
      /^ended without a record: a session of ana/,
    ],
    [
      'two grants are over, and there is one row',
      ({ database, facts }) => {
        for (const value of ['g', 'h'])
          database.artifacts.set(...artifact('Grant', value, { ...facts, revoked: true }));
        database.audit.push({ type: 'grant.revoked', requestId: 'request-0', ...facts, actor: null });
      },
      /^ended without a record: 2 grants of ana at notes, of which 1 are on record/,
    ],
  ];

  test.each(planted)('%s', (_what, plant, expected) => {
    const recorded = record();
    plant(recorded);
    const { operations, database } = recorded;
    expect(check({ operations, database })).toEqual(expect.arrayContaining([expect.stringMatching(expected)]));
  });
});

describe('what nobody can know is no fault', () => {
  test.each<[string, (recorded: Recorded) => void]>([
    [
      'a sign-out without an answer has its rows, or nothing has ended',
      ({ add, database, facts }) => {
        add({ kind: 'sign-out', ends: { acknowledged: ['session:1'] }, outcome: 'unknown' });
        const { id } = add({ kind: 'sign-out', ends: { acknowledged: ['session:1'] }, outcome: 'unknown' });
        Object.assign(database.sessions[0]!, { ended: true });
        database.artifacts.set(...session({ revoked: true }));
        database.artifacts.set(...artifact('Grant', 'g', { ...facts, revoked: true }));
        const row = { requestId: String(id), ...facts, actor: null };
        database.audit.push({ ...row, type: 'session.ended', sessionId: 'uid-1' }, { ...row, type: 'grant.revoked' });
      },
    ],
    [
      'a session goes on under another id',
      ({ database }) => {
        database.artifacts.set(...session({ revoked: true }));
        database.artifacts.set(...session({}, 'new'));
      },
    ],
    [
      'everything of somebody whose access was ended is over',
      ({ database, facts }) => {
        Object.assign(database.sessions[0]!, { ended: true });
        database.artifacts.set(...artifact('Grant', 'g', { ...facts, revoked: true }));
        database.audit.push({ type: 'user.disabled', requestId: '', ...facts, actor: 'cli' });
      },
    ],
    [
      'a token that a revocation without an answer may have ended is refused',
      ({ add }) => {
        add({ kind: 'revoke', ends: { acknowledged: ['family:1'] }, outcome: 'unknown' });
        add({ kind: 'introspect', accepts: ['access:b'], outcome: 'refused' });
      },
    ],
    [
      'a code is refused after a try without an answer',
      ({ add }) => {
        add({ kind: 'resume', yields: issued('code:k') });
        add({ kind: 'exchange', spends: ['code:k'], ends: { refused: ['family:1'] }, outcome: 'unknown' });
        add({ kind: 'exchange', spends: ['code:k'], ends: { refused: ['family:1'] }, outcome: 'refused' });
      },
    ],
    [
      'a code that was taken is refused and its row says so; once more, and its family has ended before',
      ({ add, database, facts }) => {
        const replay = { kind: 'exchange', spends: ['code:a'], ends: { refused: ['family:1'] }, outcome: 'refused' };
        const { id } = add(replay) as unknown as { id: string };
        database.audit.push({ type: 'code.replayed', requestId: id, userId: ANA, clientId: NOTES, actor: null });
        add({ ...replay, facts });
      },
    ],
    [
      'a refresh without an answer is repeated and gets the same successor',
      ({ add }) => add({ kind: 'refresh', spends: ['refresh:a'], yields: issued('access:b', 'refresh:b') }),
    ],
    [
      'a request without an answer has a row',
      ({ add, database, facts }) => {
        const { id } = add({ kind: 'sign-in', outcome: 'unknown', facts }) as unknown as { id: string };
        database.audit.push({ type: 'sign_in.succeeded', requestId: id, userId: ANA, clientId: NOTES, actor: null });
      },
    ],
    [
      'somebody whose sign-in took longer than their access was ended, and given back, is let in',
      ({ add }) => {
        const slow = add({
          kind: 'resume',
          yields: [{ value: 'session:9', groups: [`user:${ANA}`] }],
          facts: { userId: ANA },
        });
        add({ kind: 'disable-user', ends: { acknowledged: [`user:${ANA}`] } });
        add({ kind: 'enable-user' });
        Object.assign(slow, { end: add({ kind: 'wait' }).end });
        add({ kind: 'silent', accepts: ['session:9'] });
      },
    ],
    [
      'a code whose answer took its time is past its own when it is used',
      ({ add }) => {
        const slow = add({ kind: 'resume', yields: issued('code:s') }) as unknown as { start: number; end: number };
        slow.end += 20_000;
        const { end } = slow;
        add({
          kind: 'exchange',
          spends: ['code:s'],
          ends: { refused: ['family:1'] },
          outcome: 'refused',
          start: end + 30_000,
          end: end + 30_100,
        });
      },
    ],
  ])('%s', (_what, happen) => {
    const recorded = record();
    happen(recorded);
    const { operations, database } = recorded;
    expect(check({ operations, database })).toEqual([]);
  });
});
