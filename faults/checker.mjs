import { createHash } from 'node:crypto';

const MODELS = {
  code: 'AuthorizationCode',
  refresh: 'RefreshToken',
  access: 'AccessToken',
  machine: 'ClientCredentials',
};
/** Nothing is expected of what is nearly past its time. Milliseconds since it was asked for: it may be as old as that. */
const FRESH = { code: 45_000 };
/** The types of audit rows that are held against the history, whoever wrote them. */
const TRACKED = [
  'sign_in.succeeded',
  'session.started',
  'session.ended',
  'consent.granted',
  'token.issued',
  'token.revoked',
  'password.changed',
];
/** What a refusal ends is on record too: the replay of something that was spent. */
const REPLAYS = { exchange: 'code.replayed', refresh: 'refresh_token.replayed' };

/** What ends a grant has a row of its own for it; all else that may, is one for a person or a client. */
const ENDS_OF_GRANTS = ['grant.revoked', ...Object.values(REPLAYS)];
const ENDS_OF_PEOPLE = ['user.disabled', 'user.deleted', 'identity.unlinked', 'password.changed', 'consent.withdrawn'];
const ENDS_OF_ALL = ['sessions.ended_with_key', 'client.disabled'];

/**
 * Judges a history that is over: every answer against every other one, and all of them against what the database holds.
 * @param operations as in history.mjs
 * @param database as in database.mjs; without it only the answers are judged
 * @param grace milliseconds in which a refresh may be repeated
 * @returns one line a violation
 */
export function check({ operations, database, grace = 10_000 }) {
  const violations = [];
  const index = indexOf(operations);
  const report = (rule, text, ...involved) => {
    const notes = [...new Set(involved.flatMap(({ note }) => note ?? []))];
    violations.push(`${rule}: ${text}${notes.length ? ` [${notes.join('; ')}]` : ''}`);
  };
  checkSpending(index, { report, grace });
  checkAcceptance(index, report);
  if (database) {
    checkStored(index, database, report);
    checkAudit(index, database, report);
    checkEnds(database, report);
  }
  return violations;
}

/** How much there was to judge, by outcome: what was acknowledged comes first, whatever came first. */
export function countOutcomes(operations) {
  const counts = { acknowledged: 0 };
  for (const { outcome = 'unknown' } of operations) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

function indexOf(all) {
  const operations = all.map((one) => ({
    ...one,
    end: one.end ?? Number.POSITIVE_INFINITY,
    outcome: one.outcome ?? 'unknown',
  }));
  const groupsOf = new Map();
  const issuedBy = new Map();
  const spenders = new Map();
  const enders = new Map();
  const put = (map, key, value) => map.set(key, [...(map.get(key) ?? []), value]);
  for (const operation of operations) {
    for (const value of operation.spends ?? []) put(spenders, value, operation);
    for (const value of new Set([...(operation.ends?.acknowledged ?? []), ...(operation.ends?.refused ?? [])])) {
      put(enders, value, operation);
    }
    if (operation.outcome !== 'acknowledged') continue;
    for (const { value, groups } of operation.yields ?? []) {
      groupsOf.set(value, groups);
      if (!issuedBy.has(value)) issuedBy.set(value, operation);
    }
  }
  const endersOf = (value) => [value, ...(groupsOf.get(value) ?? [])].flatMap((name) => enders.get(name) ?? []);
  const touches = (value, names = []) => [value, ...(groupsOf.get(value) ?? [])].some((name) => names.includes(name));

  /**
   * Whoever was signing in while their access ended may have been let in after it, when it was given back: nobody can tell. What
   * somebody had from a sign-in before it is over, also when it was handed out meanwhile.
   */
  const isOlder = (value, began) => {
    const session = [value, ...(groupsOf.get(value) ?? [])].find((name) => name.startsWith('session:'));
    return (issuedBy.get(session)?.end ?? 0) <= began;
  };
  const ended = (value, names = [], began) =>
    touches(
      value,
      names.filter((name) => !name.startsWith('user:') || isOlder(value, began)),
    );

  const mayEnd = (value, end, except) =>
    endersOf(value).some(
      (one) =>
        one !== except &&
        one.start <= end &&
        !['limited', 'not-sent'].includes(one.outcome) &&
        (one.outcome === 'unknown' || touches(value, one.ends[one.outcome])),
    );

  return {
    operations,
    issuedBy,
    spenders,
    /** Somebody was told that it is over before this began. A group only ends what was issued before: later values are new. */
    endedBefore: (value, start) =>
      endersOf(value).find(
        ({ ends, outcome, end, start: began }) =>
          end < start && began >= (issuedBy.get(value)?.start ?? 0) && ended(value, ends[outcome], began),
      ),
    /** Refused because somebody had taken it before, and for no other reason that there could be. */
    isReplay: (operation) =>
      operation.outcome === 'refused' &&
      (operation.spends ?? []).some(
        (value) =>
          (spenders.get(value) ?? []).some(({ outcome }) => outcome === 'acknowledged') &&
          operation.end - (issuedBy.get(value)?.start ?? 0) <= freshness(value) &&
          !mayEnd(value, operation.end, operation),
      ),
    /** Something that may have ended it had begun by then. */
    mayHaveEnded: (value, end, except) =>
      mayEnd(value, end, except) ||
      (spenders.get(value) ?? []).some(
        (one) => one !== except && one.start <= end && ['acknowledged', 'unknown'].includes(one.outcome),
      ),
  };
}

/** One code, one refresh token, one link: one taker. A repeated refresh gets the same successor, for a while. */
function checkSpending({ spenders, operations }, { report, grace }) {
  for (const [value, all] of spenders) {
    const won = all.filter(({ outcome }) => outcome === 'acknowledged').sort((a, b) => a.end - b.end);
    if (!value.startsWith('refresh:')) {
      if (won.length > 1) report('spent twice', `${short(value)} was taken ${won.length} times`, ...won);
      continue;
    }
    const successors = new Set(won.map(({ yields }) => yields?.find((one) => one.value.startsWith('refresh:'))?.value));
    if (successors.size > 1) report('spent twice', `${short(value)} has ${successors.size} successors`, ...won);
    const [first, ...later] = won;
    const usedSuccessor = operations.find(
      ({ spends = [], outcome }) => outcome === 'acknowledged' && spends.some((one) => successors.has(one)),
    );
    for (const again of later) {
      if (again.start > first.end + grace + 2_000) {
        report('spent twice', `${short(value)} was taken again after the grace period`, again);
      } else if (usedSuccessor && usedSuccessor.end < again.start) {
        report('spent twice', `${short(value)} was taken again after its successor had been used`, again);
      }
    }
  }
}

/** What ended is accepted nowhere; what was acknowledged and did not end is accepted everywhere. */
function checkAcceptance({ operations, issuedBy, endedBefore, mayHaveEnded }, report) {
  for (const operation of operations) {
    for (const value of [...(operation.accepts ?? []), ...(operation.spends ?? [])]) {
      if (operation.outcome === 'acknowledged') {
        const ended = endedBefore(value, operation.start);
        if (ended) {
          report(
            'accepted after its end',
            `${short(value)} by ${operation.kind}, ended by ${ended.kind}`,
            ended,
            operation,
          );
        }
      } else if (operation.outcome === 'refused') {
        const issued = issuedBy.get(value);
        if (!issued || mayHaveEnded(value, operation.end, operation)) continue;
        if (operation.end - issued.start > freshness(value)) continue;
        report('acknowledged and lost', `${short(value)} was refused by ${operation.kind}`, issued, operation);
      }
    }
  }
}

function checkStored({ operations, issuedBy, mayHaveEnded }, { artifacts, consents, links, users }, report) {
  for (const [value, issued] of issuedBy) {
    const model = MODELS[value.split(':', 1)[0]];
    if (!model || model === 'AuthorizationCode' || mayHaveEnded(value, Number.POSITIVE_INFINITY)) continue;
    const row = artifacts.get(digestOf(model, value.slice(value.indexOf(':') + 1)));
    if (!row || row.revoked || row.consumed) {
      report(
        'acknowledged and lost',
        `${short(value)} of ${issued.kind} ${row ? 'is void' : 'is not in the database'}`,
        issued,
      );
    }
  }
  for (const operation of operations) {
    const { kind, outcome, facts = {} } = operation;
    if (outcome !== 'acknowledged') continue;
    const { userId, clientId, scopes = [], link } = facts;
    if (kind === 'consent' && !mayHaveEnded(`consent:${userId}/${clientId}`, Number.POSITIVE_INFINITY)) {
      const stored = consents.get(`${userId}/${clientId}`);
      if (!scopes.every((scope) => stored?.includes(scope))) {
        report('acknowledged and lost', `the consent of ${userId} to ${clientId} is not in the database`, operation);
      }
    }
    if (kind === 'set-password' && links.get(digestOf('one-time-link', link)) === null) {
      report('acknowledged and lost', `the link of ${userId} was used and is not spent`, operation);
    }
    if (kind === 'create-user' && !users.has(userId)) {
      report('acknowledged and lost', `the person ${userId} is not in the database`, operation);
    }
  }
}

/**
 * Each acknowledged event has its row, once; so has each replay that was refused; each row has a request that was answered so, or
 * whose answer nobody knows.
 */
function checkAudit({ operations, isReplay }, { audit }, report) {
  const byRequest = new Map();
  for (const row of audit) {
    if (!row.requestId || !TRACKED.includes(row.type)) continue;
    const key = `${row.requestId} ${row.type}`;
    byRequest.set(key, (byRequest.get(key) ?? 0) + 1);
  }
  const byId = new Map(operations.map((operation) => [operation.id, operation]));
  for (const operation of operations) {
    if (operation.outcome !== 'acknowledged') continue;
    for (const type of operation.audit ?? []) {
      const { actor, userId } = operation.facts ?? {};
      const found = actor
        ? audit.some((row) => row.type === type && row.actor === actor && row.userId === userId)
        : byRequest.has(`${operation.id} ${type}`);
      if (!found) report('audit row missing', `${type} of an acknowledged ${operation.kind}`, operation);
    }
  }
  for (const operation of operations) {
    const type = REPLAYS[operation.kind];
    if (!type || !isReplay(operation)) continue;
    const found = audit.some((row) => row.type === type && row.requestId === operation.id);
    if (!found) report('audit row missing', `${type} of a refused ${operation.kind}`, operation);
  }
  for (const [key, count] of byRequest) {
    const [requestId, type] = key.split(' ');
    const operation = byId.get(requestId);
    if (count > 1) report('audit row too many', `${count} rows of ${type} for one ${operation?.kind ?? 'request'}`);
    if (!operation) report('audit row too many', `${type} of a request that nobody made`);
    else if (!['acknowledged', 'unknown'].includes(operation.outcome)) {
      report('audit row too many', `${type} of a ${operation.kind} that was ${operation.outcome}`, operation);
    }
  }
}

/** What ended is on record whoever was told of it: also where the process was killed before it could answer. */
function checkEnds({ artifacts, sessions, audit }, report) {
  if (audit.some(({ type }) => ENDS_OF_ALL.includes(type))) return;
  // Not by how the people of this world were made.
  const endings = audit.filter(({ type, actor }) => ENDS_OF_PEOPLE.includes(type) && actor !== 'faults');
  const people = new Set(endings.map(({ userId }) => userId));
  const recorded = new Set(audit.filter(({ type }) => type === 'session.ended').map(({ sessionId }) => sessionId));
  const ended = new Map(sessions.filter((one) => one.ended).map(({ uid, userId }) => [uid, userId]));
  const rows = [...artifacts.values()];
  const ofPeople = rows.filter(({ kind, userId }) => kind === 'Session' && userId);
  for (const { uid, userId, revoked } of ofPeople) if (revoked) ended.set(uid, userId);
  // It goes on under another id.
  const alive = new Set(ofPeople.filter(({ revoked }) => !revoked).map(({ uid }) => uid));
  for (const [uid, userId] of ended) {
    if (recorded.has(uid) || people.has(userId) || alive.has(uid)) continue;
    report('ended without a record', `a session of ${userId}`);
  }
  const grants = new Map();
  for (const { kind, revoked, userId, clientId } of rows) {
    if (kind !== 'Grant' || !revoked || people.has(userId)) continue;
    const owner = `${userId} at ${clientId}`;
    grants.set(owner, { userId, clientId, count: (grants.get(owner)?.count ?? 0) + 1 });
  }
  for (const [owner, { userId, clientId, count }] of grants) {
    // One that does not say whose it was may be of anybody's.
    const told = audit.filter(
      (row) => ENDS_OF_GRANTS.includes(row.type) && row.clientId === clientId && (!row.userId || row.userId === userId),
    );
    if (told.length < count) {
      report('ended without a record', `${count} grants of ${owner}, of which ${told.length} are on record`);
    }
  }
}

/** Milliseconds. */
function freshness(value) {
  return FRESH[value.split(':', 1)[0]] ?? Number.POSITIVE_INFINITY;
}

function digestOf(model, value) {
  return createHash('sha256').update(`${model}:${value}`).digest('hex');
}

/** Enough to find it, too little to use it. */
function short(value) {
  return value.slice(0, value.indexOf(':') + 9);
}
