import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { root } from './node-process.mjs';

/**
 * Runs a command of `daemun` on the world's database, in a process of its own or, embedded, inside the running service. Answers the
 * entry of the history, with what it printed as `output`.
 */
export async function runCommand(world, operation, args) {
  const { history, environment } = world;
  const entry = history.begin(operation);
  const { code, output, said } = await runDaemun([...args, '--json'], environment);
  let result;
  try {
    result = JSON.parse(output);
  } catch {}
  // A command that failed may have been done: its answer got lost between two processes.
  return history.end(entry, code === 0 && result ? 'acknowledged' : 'unknown', { result, said: said.slice(-300) });
}

/** The command line of this release, or of that in `release`, in a process of its own. Answers how it ended and what it said. */
export function runDaemun(args, environment, nodeArguments = [], release = root) {
  return new Promise((resolve) => {
    const command = [...nodeArguments, join(release, 'dist/cli.js'), ...args];
    const env = { PATH: process.env.PATH, ...environment };
    execFile(process.execPath, command, { cwd: release, env, timeout: 120_000 }, (error, output, said) => {
      resolve({ code: error ? error.code : 0, signal: error?.signal, output, said });
    });
  });
}

/** Administrators at work beside the load: people are made, disabled and enabled. */
export function startCommands(world, { every }) {
  let stopped = false;
  let wake;
  let count = 0;

  async function work() {
    while (!stopped) {
      count += 1;
      const login = `made${count}@faults.example`;
      const made = await runCommand(world, { kind: 'create-user', audit: ['user.created'], facts: { actor: 'cli' } }, [
        'users',
        'create',
        '--email',
        login,
      ]);
      if (made.result?.user) made.facts.userId = made.result.user.id;
      if (!stopped) await disableSomebody();
      await new Promise((resolve) => {
        wake = resolve;
        setTimeout(resolve, every);
      });
    }
  }

  async function disableSomebody() {
    const person = world.people[count % world.people.length];
    const facts = { actor: 'cli', userId: person.id };
    await runCommand(
      world,
      { kind: 'disable-user', audit: ['user.disabled'], ends: { acknowledged: [`user:${person.id}`] }, facts },
      ['users', 'disable', person.id],
    );
    for (let tries = 0; tries < 5; tries++) {
      const enabled = await runCommand(world, { kind: 'enable-user', facts }, ['users', 'enable', person.id]);
      if (enabled.outcome === 'acknowledged') return;
    }
  }

  const working = work();
  return {
    async stop() {
      stopped = true;
      wake?.();
      await working;
    },
  };
}
