import { judge, targets } from './targets.mjs';

export function printScenario({ title, sides }) {
  console.log(`\n${title}`);
  const rows = Object.entries(sides).map(([side, { cpuMs, cpuRange, databaseMs, perSecond, p50, p99 }]) => [
    side,
    `${cpuMs.toFixed(3)} [${cpuRange.map((value) => value.toFixed(3)).join('..')}]`,
    databaseMs ? databaseMs.toFixed(3) : '',
    perSecond.toFixed(0),
    p50.toFixed(2),
    p99.toFixed(2),
  ]);
  printTable(['', 'CPU ms [range]', 'database', 'per second', 'p50 ms', 'p99 ms'], rows);
}

export function printCondition({ title, ...figures }) {
  console.log(`\n${title}`);
  for (const [name, value] of Object.entries(figures)) {
    console.log(`  ${name}: ${typeof value === 'number' ? value.toFixed(2) : JSON.stringify(value)}`);
  }
}

/** Every target that this run measured, with the figure and what it reaches. Answers how many "must" were missed. */
export function printTargets(measured) {
  const results = targets
    .filter(({ scenario }) => measured[scenario])
    .map((target) => ({ target, figure: target.of(measured[target.scenario]) }))
    .filter(({ figure }) => figure !== undefined);
  const rows = results.map(({ target, figure }) => {
    const sign = target.atLeast ? '≥' : '≤';
    return [
      target.id,
      target.scenario,
      target.what,
      figure.toFixed(2),
      `${sign} ${target.must}`,
      `${sign} ${target.ambitious}`,
      judge(target, figure),
    ];
  });
  console.log('\nTargets');
  printTable(['', 'scenario', 'figure', 'measured', 'must', 'ambitious', 'reached'], rows);
  return results.map(({ target, figure }) => ({
    id: target.id,
    scenario: target.scenario,
    what: target.what,
    figure,
    reached: judge(target, figure),
  }));
}

export function printTable(headings, rows) {
  const cells = [headings, ...rows];
  const widths = headings.map((_, column) => Math.max(...cells.map((row) => String(row[column]).length)));
  for (const row of cells) {
    console.log(
      `  ${row
        .map((cell, column) => String(cell).padEnd(widths[column]))
        .join('  ')
        .trimEnd()}`,
    );
  }
}
