/** The end of the year 9999. A "date" behind it is an overflow or a trick, never a date. */
const LAST_SECOND = 253_402_300_799;

/** RFC 7519 section 2, NumericDate: seconds since 1970, a number, in the range of real dates. */
export function isNumericDate(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= LAST_SECOND;
}

/** @throws TypeError when the option is not a number of seconds within the bounds */
export function checkSeconds(value: number, option: string, min: number, max: number): number {
  if (!(value >= min && value <= max)) throw new TypeError(`${option} must be ${min} to ${max} seconds; got ${value}`);
  return value;
}
