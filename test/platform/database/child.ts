import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const loader = new URL('../../support/typescript-loader.mjs', import.meta.url).href;

export interface Child {
  process: ChildProcess;
  /** What it printed so far. */
  lines: string[];
  /** The first line that contains `text`. */
  saw(text: string): Promise<string>;
  /** SIGKILL, and gone. */
  kill(): Promise<void>;
}

/** Another process that runs one of the scripts beside this file from source. */
export function runChild(script: string, ...args: string[]): Child {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const child = spawn(process.execPath, ['--import', loader, path, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  const waiting: { text: string; resolve: (line: string) => void }[] = [];
  createInterface({ input: child.stdout! }).on('line', (line) => {
    lines.push(line);
    for (const { text, resolve } of waiting) if (line.includes(text)) resolve(line);
  });
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return {
    process: child,
    lines,
    saw: (text) =>
      new Promise((resolve, reject) => {
        const seen = lines.find((line) => line.includes(text));
        if (seen !== undefined) return resolve(seen);
        waiting.push({ text, resolve });
        exited.then(() => reject(new Error(`the child ended without printing ${text}: ${lines.join(' | ')}`)));
      }),
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
