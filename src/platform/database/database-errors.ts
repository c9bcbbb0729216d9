/** Connection lost or refused, shutting down, out of connections, cancelled by a timeout, victim of a conflict time and again (PostgreSQL appendix A). */
const UNAVAILABLE_STATES = /^(?:08...|57P0[1-5]|57014|53[0-4]..|55P03|25P0[34]|40P01|40001)$/;
const UNAVAILABLE_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'EPIPE',
  // Prisma: cannot reach the server, timed out, pool or transaction not available in time.
  'P1001',
  'P1002',
  'P1008',
  'P1017',
  'P2024',
  'P2028',
  'P2037',
]);
// node-postgres has no code for these.
const UNAVAILABLE_TEXT =
  /timeout exceeded when trying to connect|Connection terminated|Query read timeout|after calling end on the pool|is not queryable/;

/**
 * Whether the database could not be asked in time, in contrast to having refused: worth a 503 and another try.
 * Looks into causes, since Prisma and its adapter wrap what the driver said.
 */
export function isUnavailable(error: unknown, depth = 0): boolean {
  if (!error || typeof error !== 'object' || depth > 4) return false;
  const { code, originalCode, message, cause, meta } = error as Record<string, unknown>;
  for (const value of [code, originalCode]) {
    if (typeof value === 'string' && (UNAVAILABLE_CODES.has(value) || UNAVAILABLE_STATES.test(value))) return true;
  }
  if (typeof message === 'string' && UNAVAILABLE_TEXT.test(message)) return true;
  const wrapped = (meta as { driverAdapterError?: unknown } | undefined)?.driverAdapterError;
  return isUnavailable(cause, depth + 1) || isUnavailable(wrapped, depth + 1);
}
