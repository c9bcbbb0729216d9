/**
 * What was asked, and what came of it. One entry a request, in the order of asking; `checker.mjs` judges the whole.
 *
 * `outcome`: `acknowledged` (done, and said so), `refused` (not done, and said so), `limited` (429: nothing was tried), `not-sent`
 * (nobody listened), `unknown` (no answer, or one that says nothing about what was done, such as 503).
 * `start`, `end`: milliseconds on one clock, that of this process.
 * Values are named `kind:value` (`code:…`, `refresh:…`, `access:…`, `machine:…`, `link:…`, `session:…`); a group (`family:…`,
 * `session:…`, `user:…`, `consent:…`) stands for all values that were issued in it.
 *
 * @typedef {object} Operation
 * @property {string} id Also its X-Request-Id, which audit rows carry.
 * @property {string} kind
 * @property {number} start
 * @property {number} [end]
 * @property {string} [outcome]
 * @property {string} [note] The point of injection, for reports.
 * @property {string[]} [spends] What may be spent once.
 * @property {string[]} [accepts] What has to be valid for this to be acknowledged.
 * @property {{ value: string, groups: string[] }[]} [yields] What an acknowledged one issued.
 * @property {{ acknowledged?: string[], refused?: string[] }} [ends] Values and groups that are void from this outcome on.
 * @property {string[]} [audit] Types of the rows that an acknowledged one must have left.
 * @property {{ userId?: string, clientId?: string, scopes?: string[], link?: string }} [facts]
 */

let histories = 0;

export function createHistory() {
  histories += 1;
  /** @type {Operation[]} */
  const operations = [];
  const prefix = `f-${process.pid}-${histories}`;
  return {
    operations,
    /** What is said beside every operation from now on. */
    note: undefined,
    begin(operation) {
      const id = `${prefix}-${String(operations.length).padStart(6, '0')}`;
      const begun = { id, start: performance.now(), ...(this.note && { note: this.note }), ...operation };
      operations.push(begun);
      return begun;
    },
    end(operation, outcome, more = {}) {
      return Object.assign(operation, more, { outcome, end: performance.now() });
    },
  };
}
