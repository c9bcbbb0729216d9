import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const TICK_MS = 1000 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** CPU milliseconds spent so far by these processes and everything below them, ended children included. */
export function cpuMs(roots) {
  let ticks = 0;
  for (const { fields } of treeOf(roots)) {
    // utime, stime, and what reaped children used (proc(5): fields 14 to 17).
    for (const index of [11, 12, 13, 14]) ticks += Number(fields[index]);
  }
  return ticks * TICK_MS;
}

/** Resident memory in MiB. */
export function rssMiB(roots) {
  return treeOf(roots).reduce((sum, { pid }) => {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return sum + Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
  }, 0);
}

/** The processes that this one started and that are still there. */
export function childrenOf(parent) {
  return treeOf([parent]).flatMap((one) => (one.parent === parent ? [one.pid] : []));
}

function treeOf(roots) {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => statOf(Number(name)));
  const wanted = new Set(roots);
  // Parents may come after their children, so repeat until nothing is added.
  for (let size = -1; size !== wanted.size; ) {
    size = wanted.size;
    for (const { pid, parent } of all) if (wanted.has(parent)) wanted.add(pid);
  }
  return all.filter(({ pid }) => wanted.has(pid));
}

function statOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name may hold spaces and parentheses; everything after the last one is regular.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return [{ pid, parent: Number(fields[1]), fields }];
  } catch {
    return [];
  }
}
