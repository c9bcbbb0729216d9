import type { Command } from 'commander';
import type { LoggedEffect } from '../platform/outbox/effect.ts';
import { BY_COMMAND_LINE } from './by-command-line.ts';
import type { CommandContext } from './command.ts';
import { CommandError } from './command-error.ts';
import { pageSize } from './option-values.ts';
import { fieldsOf, print, tableOf } from './output.ts';

const HELP = `
Mail goes through an outbox: written together with the change that it tells of, delivered by whichever node comes first, tried again
for about half a day. What it says is shown to nobody, and erased once it is delivered. Entries stay for 30 days.

Examples:
  daemun outbox list --failed
  daemun outbox retry 01976c3e-52a4-7f36-a3f5-2a9d1d1d7c11`;

export function addOutboxCommands(program: Command, context: CommandContext): void {
  const outbox = program
    .command('outbox')
    .description('what was sent, is to be, or could not be')
    .addHelpText('after', HELP);

  outbox
    .command('list')
    .description('list deliveries, newest first')
    .option('--failed', 'only those that were given up')
    .option('--before <id>', 'begin before this one')
    .option('--limit <number>', 'how many', pageSize, 100)
    .option('--json', 'print JSON')
    .action(async (options: { failed?: boolean; before?: string; limit: number; json?: boolean }) => {
      const { failed: onlyDead = false, before, limit, json = false } = options;
      const services = await context.services();
      const effects = await services.outbox.list({ onlyDead, limit, ...(before && { before }) });
      print(context, json, { effects }, () => {
        if (effects.length === 0) return onlyDead ? 'Nothing was given up.' : 'Nothing was sent.';
        const rows = effects.map(({ id, kind, target, summary, state, tries, createdAt, deliveredAt, lastError }) => {
          return [id, kind, target, summary, state, tries, deliveredAt ?? createdAt, lastError];
        });
        return tableOf(['ID', 'KIND', 'TO', 'WHAT', 'STATE', 'TRIES', 'AT', 'LAST ERROR'], rows);
      });
    });

  outbox
    .command('show')
    .description('show one delivery')
    .argument('<id>')
    .option('--json', 'print JSON')
    .action(async (id: string, { json = false }: { json?: boolean }) => {
      const services = await context.services();
      const effect = await services.outbox.find(id);
      if (!effect) throw unknownEffect(id);
      print(context, json, effect, () => describe(effect));
    });

  outbox
    .command('retry')
    .description('try again what was given up, or sooner what waits; the receiver can tell it from a new one')
    .argument('<id>')
    .option('--json', 'print JSON')
    .action(async (id: string, { json = false }: { json?: boolean }) => {
      const { outbox, audit } = await context.services();
      const outcome = await outbox.retry(id, (tx, { kind }) =>
        audit.in(tx).outboxEffectRetried({ effect: id, kind }, BY_COMMAND_LINE),
      );
      if (outcome === 'not_found') throw unknownEffect(id);
      if (outcome === 'erased') throw new CommandError(`${id} is of no use any more: what it said is erased.`);
      const changed = outcome === 'done';
      print(context, json, { id, changed }, () =>
        changed ? `${id} is tried again now.` : `${id} ${outcome === 'delivered' ? 'was' : 'is just being'} delivered.`,
      );
    });
}

function describe(effect: LoggedEffect): string {
  return fieldsOf([
    ['ID', effect.id],
    ['Kind', effect.kind],
    ['To', effect.target],
    ['What', effect.summary],
    ['State', effect.state],
    ['Tries', effect.tries],
    ['Written', effect.createdAt],
    ['Next try', effect.state === 'waiting' ? effect.dueAt : undefined],
    ['Of use until', effect.deliveredAt ? undefined : effect.expiresAt],
    ['Delivered', effect.deliveredAt],
    ['Given up', effect.diedAt],
    ['Last error', effect.lastError],
  ]);
}

function unknownEffect(id: string): CommandError {
  return new CommandError(`There is no delivery ${id}. \`daemun outbox list\` shows all.`);
}
