import { Duplex } from 'node:stream';
import type { PGlite } from '@electric-sql/pglite';

const SYNC = 0x53;
const QUERY = 0x51;
const TERMINATE = 0x58;

/** Milliseconds of uninterrupted work after which timers and sockets get their turn. */
const TURN = 10;

/**
 * Gives node-postgres a "socket" that is really an in-process PGlite, so that both ways to run share one driver.
 * No port is opened. Messages are cut by the wire protocol's own length fields.
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
export class PGliteStream extends Duplex {
  readonly #database: PGlite;
  #pending: Buffer = Buffer.alloc(0);
  #started = false;
  #turnBegan = 0;

  constructor(database: PGlite) {
    super();
    this.#database = database;
  }

  // What node-postgres calls on a net.Socket.
  connect(): this {
    this.#database.waitReady.then(
      () => this.emit('connect'),
      (error: Error) => this.destroy(error),
    );
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#pending = this.#pending.length ? Buffer.concat([this.#pending, chunk]) : chunk;
    this.#drain().then(() => done(), done);
  }

  /**
   * node-postgres corks while it writes one query's messages. They must reach the database together: in between, those of
   * another connection would use the same session, and an error would be answered once for each message.
   */
  override _writev(chunks: { chunk: Buffer; encoding: BufferEncoding }[], done: (error?: Error | null) => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'binary', done);
  }

  override _final(done: () => void): void {
    this.push(null);
    done();
  }

  /** Length of the message at `offset`, 0 while it is incomplete. Only the very first message has no type byte. */
  #messageLength(offset: number): number {
    const head = this.#started || offset > 0 ? 1 : 0;
    if (this.#pending.length < offset + head + 4) return 0;
    const length = head + this.#pending.readInt32BE(offset + head);
    return this.#pending.length < offset + length ? 0 : length;
  }

  async #drain(): Promise<void> {
    for (let length = this.#messageLength(0); length; length = this.#messageLength(0)) {
      if (this.#started && this.#pending[0] === TERMINATE) {
        this.#pending = this.#pending.subarray(length);
        this.push(null);
        return;
      }
      const batch = this.#pending.subarray(0, this.#endOfBatch(length));
      this.#pending = this.#pending.subarray(batch.length);
      if (!this.#started) await this.#reset();
      this.#started = true;
      await this.#yieldWhenDue();
      this.push(Buffer.from(await this.#database.runExclusive(() => this.#database.execProtocolRaw(batch))));
    }
  }

  /** A new connection finds the session of the one before it: an open transaction, prepared statements, settings. */
  async #reset(): Promise<void> {
    await this.#database.exec('ROLLBACK');
    await this.#database.exec('DISCARD ALL');
  }

  /** The database answers without leaving the microtask queue, so a loop of queries would stop everything else in the process. */
  async #yieldWhenDue(): Promise<void> {
    if (performance.now() - this.#turnBegan < TURN) return;
    await new Promise((resolve) => setImmediate(resolve));
    this.#turnBegan = performance.now();
  }

  /** Everything up to and including the next Sync or Query goes over in one call. */
  #endOfBatch(firstLength: number): number {
    let end = firstLength;
    if (!this.#started) return end;
    let type = this.#pending[0];
    for (
      let next = this.#messageLength(end);
      type !== SYNC && type !== QUERY && next;
      next = this.#messageLength(end)
    ) {
      type = this.#pending[end];
      end += next;
    }
    return end;
  }
}
