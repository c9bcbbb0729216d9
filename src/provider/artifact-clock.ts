import type { AdapterPayload } from './engine.ts';

/** The engine's times in a payload, in seconds since 1970. */
const TIMES = ['exp', 'iat', 'iiat', 'loginTs', 'authTime'] as const;
/** Those of parameters that were pushed, which the engine keeps as an unsecured JWT of its own. */
const PUSHED_TIMES = ['exp', 'iat', 'nbf'] as const;
const UNSECURED = /^[\w-]+\.([\w-]+)\.$/;
/** Seconds. Less than that is rounding and the way to the database; the engine forgives more. */
const TOLERANCE = 5;
/**
 * Seconds. More than that is no node whose clock is off, but most likely a database that was exchanged for one with another clock: what
 * was stored before would live longer by as much, or be over at once.
 */
const MOST = 600;

export interface ArtifactClock {
  /** As it is stored: by the clock of the database. */
  stored(payload: AdapterPayload): AdapterPayload;
  /** As the engine compares it: by the clock of this node. */
  here(payload: AdapterPayload): AdapterPayload;
}

/**
 * The engine compares every time with the clock of its machine, so that a code of a node whose clock is wrong would be over, or be good
 * for minutes, at the next one. Stored times are those of the database; a node whose clock differs translates. The process's own
 * clock is left alone: it dates what relying parties hold against theirs, and the database's may be the one that is wrong.
 * @param clockAhead how many seconds this machine's clock is ahead of the database's, as far as is known
 */
export function createArtifactClock(clockAhead: () => number): ArtifactClock {
  let used = 0;

  /** Whole seconds, and the same ones until they are clearly wrong: what is read and stored again stays as it was. */
  function ahead(): number {
    const measured = clockAhead();
    if (Math.abs(measured - used) > TOLERANCE) used = Math.round(measured);
    if (Math.abs(measured) <= TOLERANCE || Math.abs(measured) > MOST) used = 0;
    return used;
  }

  return {
    stored: (payload) => shifted(payload, -ahead()),
    here: (payload) => shifted(payload, ahead()),
  };
}

function shifted(payload: AdapterPayload, by: number): AdapterPayload {
  if (by === 0) return payload;
  const moved = withTimes(payload, TIMES, by);
  for (const name of ['result', 'lastSubmission'] as const) {
    const login = moved[name]?.login;
    if (login) moved[name] = { ...moved[name], login: withTimes(login, ['ts'], by) };
  }
  const { request } = moved as { request?: string };
  if (request !== undefined) Object.assign(moved, { request: pushedAt(request, by) });
  return moved;
}

function withTimes<Part extends object>(part: Part, names: readonly string[], by: number): Part {
  const moved = { ...part } as Record<string, unknown>;
  for (const name of names) if (typeof moved[name] === 'number') moved[name] += by;
  return moved as Part;
}

function pushedAt(request: string, by: number): string {
  const [, claims] = UNSECURED.exec(request) ?? [];
  // A signed one is the client's, by the client's clock.
  if (claims === undefined) return request;
  const moved = withTimes(JSON.parse(String(Buffer.from(claims, 'base64url'))), PUSHED_TIMES, by);
  return request.replace(claims, Buffer.from(JSON.stringify(moved)).toString('base64url'));
}
