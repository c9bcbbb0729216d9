import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import type { CommandContext } from './command.ts';
import { CommandError } from './command-error.ts';
import { print } from './output.ts';

/** Milliseconds, as long as a delivery gets. */
const PATIENCE = 40_000;

const HELP = `
Sends at once, over a connection of its own: past the outbox, its limits and its log, with the SMTP_URL, SMTP_USER, SMTP_PASSWORD and
MAIL_FROM of where it is typed. Needs no database and no running service.

Example:
  daemun mail test --to you@example.com`;

export function addMailCommands(program: Command, context: CommandContext): void {
  const mail = program.command('mail').description('the server that takes our mail');

  mail
    .command('test')
    .description('send one message and say what the mail server answered')
    .requiredOption('--to <address>', 'to whom')
    .option('--json', 'print JSON')
    .addHelpText('after', HELP)
    .action(async ({ to, json = false }: { to: string; json?: boolean }) => {
      const { mail: settings, branding, issuer } = context.config();
      if (!settings) throw new CommandError('No mail is sent from here: SMTP_URL is not set.');
      // Late, so that other commands do not load it.
      const { createSmtpClient } = await import('../platform/mail/smtp.ts');
      const { presentable } = await import('../platform/outbox/delivery.ts');
      const { host, port } = settings.server;
      const message = {
        id: randomUUID(),
        to,
        subject: `${branding.name}: a test of mail`,
        text: `Mail from ${issuer} arrives. Whoever runs it sent this by \`daemun mail test\`.`,
        language: 'en',
        date: new Date(),
      };
      const answer = await createSmtpClient(settings).send(message, AbortSignal.timeout(PATIENCE));
      if (answer.kind !== 'delivered') {
        throw new CommandError(`${host}:${port} did not take the message: ${presentable(answer.reason)}`);
      }
      const response = presentable(answer.response);
      print(context, json, { to, server: `${host}:${port}`, response }, () => `${host}:${port} took it: ${response}`);
    });
}
