/**
 * As a column of its answer: the commit of this statement does not wait until it is on the disk; what comes after it and does wait takes it
 * along, because the log is written in order. A crash of the database within the next half a second may lose it, whole, and nothing
 * before it. For what only prepares something else, and is seen by everybody at once all the same.
 * @see https://www.postgresql.org/docs/current/wal-async-commit.html
 */
export const UNFLUSHED = `set_config('synchronous_commit', 'off', true)`;
