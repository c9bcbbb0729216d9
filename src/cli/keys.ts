import { Argument, type Command } from 'commander';
import { ALGORITHMS, type Algorithm } from '../signing-keys/key-pair.ts';
import { ROTATING, type RotatingPurpose } from '../signing-keys/secret-life-cycle.ts';
import { BY_COMMAND_LINE } from './by-command-line.ts';
import type { CommandContext, KeyAdministration } from './command.ts';
import { CommandError } from './command-error.ts';
import { failureText } from './failure-text.ts';
import { dateOf, effectOfRevocation, effectOfRotation, effectOfSecret, inWords } from './key-effects.ts';
import { describeKeys, lookAtKeys } from './key-listing.ts';
import { addMoveCommand } from './key-move.ts';
import { print } from './output.ts';

const HELP = `
Keys change by themselves. docs/keys.md says when, and what to do when one is in the wrong hands.

Examples:
  daemun keys list
  daemun keys rotate ES256
  daemun keys revoke <kid> --reason "seen in a log" --end-sessions
  daemun keys rewrap`;

interface RotateOptions {
  emergency?: boolean;
  json?: boolean;
}

interface RevokeOptions {
  reason: string;
  endSessions?: boolean;
  json?: boolean;
}

export function addKeyCommands(program: Command, context: CommandContext): void {
  const keys = program
    .command('keys')
    .description('signing keys, other secrets, and the key that encrypts them')
    .addHelpText('after', HELP);
  const administration = async () => (await context.services()).keys;

  keys
    .command('list')
    .description('keys by state and what happens to them next, nodes and how far they have followed, warnings')
    .option('--json', 'print JSON')
    .action(async ({ json = false }: { json?: boolean }) => {
      const shown = await lookAtKeys(await administration());
      print(context, json, shown, () => describeKeys(shown));
    });

  keys
    .command('rotate')
    .description('let the next key take over now, if everybody knows it; without a name, of every signature algorithm')
    .addArgument(new Argument('[what]', 'an algorithm or another secret').choices([...ALGORITHMS, ...ROTATING]))
    .option(
      '--emergency',
      'at once, whether everybody knows it or not; of cookie-signature no key of before stays, which signs everybody out',
    )
    .option('--json', 'print JSON')
    .action(async (what: Algorithm | RotatingPurpose | undefined, options: RotateOptions) => {
      await rotate(context, await administration(), what, options);
    });

  keys
    .command('revoke')
    .description('end a signing key on all nodes within seconds, because it is in the wrong hands')
    .argument('<kid>')
    .requiredOption('--reason <text>', 'goes into the audit log')
    .option('--end-sessions', 'also sign out every session that was used since it began to sign, with its tokens')
    .option('--json', 'print JSON')
    .action(async (kid: string, options: RevokeOptions) => revoke(context, await administration(), kid, options));

  keys
    .command('rewrap')
    .description('encrypt everything anew under the first key-encryption key; safe to repeat and to interrupt')
    .option('--json', 'print JSON')
    .action(async ({ json = false }: { json?: boolean }) => rewrap(context, await administration(), json));

  keys
    .command('hold')
    .description('keep clean-up away from a signing key: neither erased, nor out of the key set, nor destroyed')
    .argument('<kid>')
    .option('--release', 'let it go on')
    .option('--json', 'print JSON')
    .action(async (kid: string, { release = false, json = false }: { release?: boolean; json?: boolean }) => {
      const outcome = await (await administration()).store.hold(kid, !release, BY_COMMAND_LINE);
      if (outcome === 'unknown') throw unknownKey(kid);
      const changed = outcome === 'done';
      print(context, json, { kid, held: !release, changed }, () =>
        changed
          ? `${kid} is ${release ? 'released' : 'held'}.`
          : `${kid} was ${release ? 'not held' : 'held already'}.`,
      );
    });

  addMoveCommand(keys, context);
}

/** One thing that was to rotate. */
type Rotated =
  | { what: string; changed: true; current: string; before?: string; early: boolean; effect: string }
  | { what: string; changed: false; refused?: string; notBefore?: string };

async function rotate(
  context: CommandContext,
  keys: KeyAdministration,
  what: Algorithm | RotatingPurpose | undefined,
  { emergency = false, json = false }: RotateOptions,
): Promise<void> {
  const results: Rotated[] = [];
  if (isSecret(what)) results.push(await rotateSecret(keys, what, emergency));
  else for (const one of what ? [what] : keys.store.algorithms) results.push(await rotateKey(keys, one, emergency));

  const problems = results.flatMap((result) =>
    !result.changed && result.refused ? [{ field: result.what, message: result.refused }] : [],
  );
  if (problems.length < results.length) {
    print(context, json, { rotated: results }, () =>
      results
        .filter((one) => !isRefused(one))
        .map(describe)
        .join('\n'),
    );
  }
  if (problems.length > 0) throw new CommandError('Not rotated:', problems);
}

async function rotateKey(keys: KeyAdministration, algorithm: Algorithm, emergency: boolean): Promise<Rotated> {
  const { store, policy } = keys;
  const { now, keys: before } = await store.list();
  const find = (wanted: string) => before.find((key) => key.algorithm === algorithm && key.state === wanted);
  const [active, spare] = [find('active'), find('published')];
  if (!active)
    return { what: algorithm, changed: false, refused: 'has no key that signs. Start the service: it makes one.' };

  const outcome = await store.rotate({ algorithm, expectedActive: active.kid, emergency }, BY_COMMAND_LINE);
  if (outcome.kind === 'rotated') {
    const { kid: current, early } = outcome;
    const known = spare?.kid === current ? { spare } : {};
    const effect = effectOfRotation(algorithm, { early, now, policy, ...known });
    return { what: algorithm, changed: true, current, before: active.kid, early, effect };
  }
  switch (outcome.reason) {
    case 'superseded':
      return { what: algorithm, changed: false };
    case 'no_spare':
      return {
        what: algorithm,
        changed: false,
        refused: 'has no spare yet. A running service makes one within seconds.',
      };
    case 'too_early':
      return tooEarly(algorithm, { notBefore: outcome.notBefore ?? now, now, emergency });
  }
}

async function rotateSecret(keys: KeyAdministration, purpose: RotatingPurpose, emergency: boolean): Promise<Rotated> {
  const current = (await keys.secrets.list()).find((one) => one.purpose === purpose && one.state === 'current');
  if (!current) return { what: purpose, changed: false, refused: 'is not there yet. Start the service: it makes one.' };
  const order = { purpose, emergency, expectedCurrent: current.id };
  const outcome = await keys.secrets.rotate(order, BY_COMMAND_LINE);
  if (outcome.kind === 'rotated') {
    const { secret, before, early } = outcome;
    return { what: purpose, changed: true, current: secret, before, early, effect: effectOfSecret(purpose, early) };
  }
  if (outcome.reason === 'superseded') return { what: purpose, changed: false };
  const notBefore = outcome.notBefore.getTime();
  return tooEarly(purpose, { notBefore, now: notBefore - outcome.waitSeconds * 1000, emergency });
}

/** An emergency waits for one thing only: that no more keys are published than everybody can read. */
function tooEarly(
  what: string,
  { notBefore, now, emergency }: { notBefore: number; now: number; emergency: boolean },
): Rotated {
  const when = `in ${inWords((notBefore - now) / 1000)} (${dateOf(notBefore)})`;
  const refused = emergency
    ? `has changed so often that no further key can be published before: ${when}. \`keys revoke\` ends one at once.`
    : `can rotate ${when}, when everybody knows the next one. \`--emergency\` does not wait, and says what that means.`;
  return { what, changed: false, refused, notBefore: dateOf(notBefore) };
}

function describe(result: Rotated): string {
  if (!result.changed) return `${result.what} was rotated by somebody else at the same moment.`;
  return `${result.what}: ${result.current} took over from ${result.before}. ${result.effect}`;
}

async function revoke(
  context: CommandContext,
  keys: KeyAdministration,
  kid: string,
  { reason, endSessions = false, json = false }: RevokeOptions,
): Promise<void> {
  const { now, keys: before } = await keys.store.list();
  const key = before.find((one) => one.kid === kid);
  if (!key) throw unknownKey(kid);
  const spare = before.find(({ algorithm, state }) => algorithm === key.algorithm && state === 'published');
  // The key first: whoever has it uses it, and ending sessions may take long.
  const outcome = await keys.store.revoke({ kid, reason }, BY_COMMAND_LINE);
  if (outcome.kind === 'refused') throw refusedRevocation(kid, outcome.reason);
  const sessionsEnded = endSessions ? await endSessionsOf(keys, key) : 0;
  const ended = endSessions && { sessionsEnded };
  if (outcome.kind === 'unchanged') {
    print(context, json, { kid, revoked: true, changed: false, ...ended }, () =>
      [`${kid} was revoked already.`, ...(endSessions ? [`${sessionsEnded} sessions were ended.`] : [])].join(' '),
    );
    return;
  }
  const { successor, early } = outcome;
  const effect = effectOfRevocation(keys.policy, key);
  const known = spare?.kid === successor ? { spare } : {};
  const takeOver = successor && effectOfRotation(key.algorithm, { early, now, policy: keys.policy, ...known });
  print(
    context,
    json,
    { kid, revoked: true, changed: true, effect, ...(successor && { successor, early, takeOver }), ...ended },
    () =>
      [
        `${kid} (${key.algorithm}) is revoked. ${effect}`,
        ...(successor ? [`${successor} signs from now on. ${takeOver}`] : []),
        ...(endSessions ? [`${sessionsEnded} sessions were ended, with the tokens that are bound to them.`] : []),
      ].join('\n'),
  );
}

async function endSessionsOf(
  keys: KeyAdministration,
  { kid, activatedAt }: { kid: string; activatedAt?: number },
): Promise<number> {
  // Nobody was signed in by a key that never signed.
  if (activatedAt === undefined) return 0;
  return keys.endSessionsUsedSince({ kid, since: new Date(activatedAt) }, BY_COMMAND_LINE).catch((cause: unknown) => {
    throw new CommandError(`${kid} is revoked, but not all sessions are ended. Repeat the command.`, [
      { field: 'because:', message: failureText(cause) },
    ]);
  });
}

function refusedRevocation(kid: string, reason: 'unknown' | 'destroyed' | 'no_spare'): CommandError {
  if (reason === 'unknown') return unknownKey(kid);
  if (reason === 'destroyed')
    return new CommandError(`${kid} is destroyed: nobody signs with it or accepts it any more.`);
  return new CommandError(`${kid} was not revoked: no other key could take over. Repeat the command.`);
}

async function rewrap(context: CommandContext, { rewrap, kekIds }: KeyAdministration, json: boolean): Promise<void> {
  const outcome = await rewrap(BY_COMMAND_LINE);
  if (outcome.kind === 'refused') {
    throw new CommandError(
      `Stopped: these nodes serve, or did in the last three minutes, and do not have key-encryption key ${outcome.kekId}. Give it to them, behind the one they have, and repeat this.`,
      outcome.nodes.map((node) => ({ field: `node ${node.id}`, message: `has ${node.kekIds.join(', ')}` })),
    );
  }
  const { kekId, rows, damaged, sealElsewhere } = outcome;
  print(context, json, outcome, () =>
    [
      `${damaged.length > 0 ? 'All others are' : 'Everything is'} sealed under ${kekId}. Wrapped anew: ${Object.entries(
        rows,
      )
        .map(([table, count]) => `${count} of ${table}`)
        .join(', ')}.`,
      ...sealElsewhere.map(
        (node) => `Node ${node.id} still seals with ${node.kekIds[0]}: put ${kekId} first there, then repeat this.`,
      ),
      ...(kekIds.length > 1 && damaged.length + sealElsewhere.length === 0
        ? [
            `Nothing needs ${kekIds.slice(1).join(', ')} any more but backups: take it out in ten minutes, and keep it with them.`,
          ]
        : []),
    ].join('\n'),
  );
  if (damaged.length > 0) {
    throw new CommandError(
      'These rows cannot be opened and stayed as they are: altered, moved or cut. Restore them from a backup.',
      damaged.map((row) => ({ field: row, message: 'cannot be opened' })),
    );
  }
}

function isSecret(what: string | undefined): what is RotatingPurpose {
  return ROTATING.some((purpose) => purpose === what);
}

function isRefused(result: Rotated): boolean {
  return !result.changed && result.refused !== undefined;
}

function unknownKey(kid: string): CommandError {
  return new CommandError(`There is no key ${kid}. \`daemun keys list\` shows all.`);
}
