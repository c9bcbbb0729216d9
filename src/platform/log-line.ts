/**
 * One line as the logger writes it in production, for what is said before there is a logger, or in a process that does without one:
 * whoever collects logs can read all of them alike.
 */
export function logLine(level: 'info' | 'warn', msg: string, fields: Record<string, string> = {}): string {
  return JSON.stringify({ level, time: new Date().toISOString(), ...fields, msg });
}
