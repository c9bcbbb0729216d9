import { randomUUID } from 'node:crypto';
import { Problem } from './problem.ts';
import type { Session, SessionInput } from './session.ts';

export type Watcher = (session: Session) => void;

interface Entry {
  session: Session;
  readonly watchers: Set<Watcher>;
}

/**
 * The sessions of one owner, or the public ones, in memory and bounded.
 *
 * When it is full, `evict` decides: the public shelf gives up its session that nobody watches and that changed longest
 * ago; an owner's shelf gives up nothing and refuses.
 */
export class SessionShelf {
  /** In the order of last change: the oldest first. */
  readonly #entries = new Map<string, Entry>();
  readonly #limit: number;
  readonly #whenFull: 'refuse' | 'evict';

  constructor(limit: number, whenFull: 'refuse' | 'evict') {
    this.#limit = limit;
    this.#whenFull = whenFull;
  }

  /** @throws Problem 409 when the id is taken or the owner has too many, 503 when the public shelf has no room */
  create({ sessionId = randomUUID(), data }: SessionInput): Session {
    if (this.#entries.has(sessionId)) throw new Problem(409, 'A session with this session_id exists already.');
    if (this.#entries.size >= this.#limit) this.#makeRoom();
    const time = new Date().toISOString();
    const session = { session_id: sessionId, version: 1, data, created_at: time, updated_at: time };
    this.#entries.set(sessionId, { session, watchers: new Set() });
    return session;
  }

  /** Replaces the data and tells everybody who watches. @throws Problem 404 */
  replace(sessionId: string, data: Session['data']): Session {
    const entry = this.#get(sessionId);
    const { session, watchers } = entry;
    entry.session = { ...session, data, version: session.version + 1, updated_at: new Date().toISOString() };
    this.#entries.delete(sessionId);
    this.#entries.set(sessionId, entry);
    for (const watcher of watchers) watcher(entry.session);
    return entry.session;
  }

  list(): Session[] {
    return Array.from(this.#entries.values(), ({ session }) => session);
  }

  /** @throws Problem 404 */
  get(sessionId: string): Session {
    return this.#get(sessionId).session;
  }

  /** Calls the watcher with each change until the returned function is called. @throws Problem 404 */
  watch(sessionId: string, watcher: Watcher): () => void {
    const { watchers } = this.#get(sessionId);
    watchers.add(watcher);
    return () => watchers.delete(watcher);
  }

  #get(sessionId: string): Entry {
    const entry = this.#entries.get(sessionId);
    if (entry === undefined) throw new Problem(404, 'There is no such session.');
    return entry;
  }

  #makeRoom(): void {
    if (this.#whenFull === 'refuse') throw new Problem(409, `An owner may have at most ${this.#limit} sessions.`);
    for (const [sessionId, { watchers }] of this.#entries) {
      if (watchers.size > 0) continue;
      this.#entries.delete(sessionId);
      return;
    }
    throw new Problem(503, 'Every public session is in use.', { headers: { 'retry-after': '60' } });
  }
}

export interface StoreLimits {
  readonly sessionsPerUser: number;
  readonly publicSessions: number;
}

/** Everybody's sessions. A user's can never be reached by the public routes: they lie on another shelf. */
export class SessionStore {
  readonly public: SessionShelf;
  readonly #users = new Map<string, SessionShelf>();
  readonly #limits: StoreLimits;

  constructor(limits: StoreLimits) {
    this.#limits = limits;
    this.public = new SessionShelf(limits.publicSessions, 'evict');
  }

  /** Only ever asked for the user who is authenticated, so that strangers cannot fill the map. */
  of(userId: string): SessionShelf {
    const shelf = this.#users.get(userId) ?? new SessionShelf(this.#limits.sessionsPerUser, 'refuse');
    this.#users.set(userId, shelf);
    return shelf;
  }
}
