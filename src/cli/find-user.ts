import type { Account } from '../accounts/account.ts';
import type { Services } from './command.ts';
import { CommandError } from './command-error.ts';

/** Whom an operator means: by id, e-mail address or user name. @throws CommandError when it is nobody */
export async function getUser({ accounts }: Pick<Services, 'accounts'>, login: string): Promise<Account> {
  const byId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(login) ? await accounts.find(login) : undefined;
  const account = byId ?? (await accounts.findByLogin(login));
  if (!account || account.state === 'deleted') throw unknownUser(login);
  return account;
}

export function unknownUser(login: string): CommandError {
  return new CommandError(
    `Nobody has the id, e-mail address or user name ${login}. \`daemun users list\` shows everybody.`,
  );
}
