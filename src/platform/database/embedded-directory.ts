import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OperatorError } from '../operator-error.ts';

/** The PostgreSQL major inside PGlite; a data directory belongs to one. A test compares it with the package. */
export const EMBEDDED_POSTGRES_MAJOR = '18';

const FIRST_STEPS =
  'Nothing was deleted. Restore the folder from a backup, set DATA_DIR to another folder, or move it away to start empty';

/**
 * Looks before PGlite does, which would run initdb over anything without a PG_VERSION. Call it under the directory's lock.
 * @returns whether the database must be created, and what to call once it has been
 * @throws OperatorError when the folder holds something that is not our database
 */
export function inspectDirectory(directory: string): { created: () => void } | undefined {
  if (existsSync(join(directory, 'PG_VERSION'))) {
    throw new OperatorError(
      `The data directory ${directory} belongs to a PostgreSQL server. Set DATA_DIR to a folder of its own, or DATABASE_URL to use that server.`,
    );
  }
  const files = join(directory, 'pg');
  const marker = join(directory, 'creating');
  // Only we write the marker, before the first file, so what a killed first start left behind is ours and nobody's data.
  if (existsSync(marker)) rmSync(files, { recursive: true, force: true });
  if (isEmpty(files)) {
    writeFileSync(marker, 'The database is being created. If this file remains, the next start begins anew.\n');
    return { created: () => rmSync(marker) };
  }
  const major = readVersion(files);
  if (major === undefined) {
    throw new OperatorError(`${files} is not a database, or a damaged one: PG_VERSION is missing. ${FIRST_STEPS}.`);
  }
  if (major !== EMBEDDED_POSTGRES_MAJOR) {
    throw new OperatorError(
      `${files} was written by PostgreSQL ${major}; this release has PostgreSQL ${EMBEDDED_POSTGRES_MAJOR} inside. ` +
        `Export it with the release that wrote it. ${FIRST_STEPS}.`,
    );
  }
  return undefined;
}

/** What a failed opening means: PGlite says nothing but "Aborted". */
export function damagedDirectory(directory: string, cause: unknown): OperatorError {
  return new OperatorError(
    `The database in ${join(directory, 'pg')} is damaged and cannot be opened. ${FIRST_STEPS}.`,
    cause,
  );
}

function isEmpty(directory: string): boolean {
  try {
    return readdirSync(directory).length === 0;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return true;
    throw new OperatorError(`${directory} cannot be read (${code}). ${FIRST_STEPS}.`, error);
  }
}

function readVersion(directory: string): string | undefined {
  try {
    return readFileSync(join(directory, 'PG_VERSION'), 'utf8').trim().slice(0, 8) || undefined;
  } catch {
    return undefined;
  }
}
