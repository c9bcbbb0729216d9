/**
 * As a column of its answer: the commit of this statement does not wait until it is on the disk; what comes after it and does wait takes it
 * along, because the log is written in order. A crash of the database within the next half a second may lose it, whole, and nothing
 * before it. For what only prepares something else, and is seen by everybody at once all the same.
 * The embedded database has nobody who writes the log a moment later, and goes with its process: there it waits all the same.
 * @see https://www.postgresql.org/docs/current/wal-async-commit.html
 */
export const UNFLUSHED = `set_config('synchronous_commit', coalesce(current_setting('daemun.unflushed_commit', true), 'off'), true)`;

/** For a server's command line, where what is unflushed elsewhere shall be flushed. */
export const FLUSH_ALL = ['-c', 'daemun.unflushed_commit=on'];
