/** Deeper than anything that the protocol defines; what goes through JSON afterwards may be nested without harm. */
const DEEPEST = 10;

/** Whether this text, should it be JSON, is nested deeper than anybody means. Read from left to right, so depth costs nothing. */
export function isNestedTooDeep(text: string): boolean {
  let depth = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[{}\]]/g)) {
    if (token === '{' || token === '[') depth += 1;
    else if (token === '}' || token === ']') depth -= 1;
    if (depth > DEEPEST) return true;
  }
  return false;
}
