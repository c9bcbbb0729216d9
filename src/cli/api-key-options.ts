import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Access, Owner } from '../api-keys/api-key.ts';
import type { Services } from './command.ts';
import { CommandError } from './command-error.ts';
import { getUser } from './find-user.ts';
import { seconds } from './option-values.ts';

export interface OwnerOptions {
  user?: string;
  serviceAccount?: string;
  system?: true;
}

/** Whose keys: at most one of three. */
export function addOwnerOptions(command: Command, what: string): Command {
  return command
    .addOption(
      new Option('--user <user>', `${what} a person: id, e-mail address or user name`).conflicts([
        'serviceAccount',
        'system',
      ]),
    )
    .addOption(new Option('--service-account <id>', `${what} a service account`).conflicts(['user', 'system']))
    .addOption(new Option('--system', `${what} this installation itself`).conflicts(['user', 'serviceAccount']));
}

/** @throws CommandError when it is nobody */
export async function findOwner(
  services: Pick<Services, 'accounts' | 'serviceAccounts'>,
  { user, serviceAccount, system }: OwnerOptions,
): Promise<Owner | undefined> {
  if (system) return { kind: 'system' };
  if (user !== undefined) return { kind: 'user', id: (await getUser(services, user)).id };
  if (serviceAccount === undefined) return undefined;
  if (!(await services.serviceAccounts.find(serviceAccount))) throw unknownServiceAccount(serviceAccount);
  return { kind: 'service_account', id: serviceAccount };
}

export function unknownServiceAccount(id: string): CommandError {
  return new CommandError(`There is no service account ${id}. \`daemun service-accounts list\` shows all.`);
}

export interface ExpiryOptions {
  expiresIn?: number;
  expiresAt?: string;
  neverExpires?: true;
}

export function addExpiryOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--expires-in <duration>', 'how long it works')
        .argParser(seconds)
        .conflicts(['expiresAt', 'neverExpires']),
    )
    .addOption(
      new Option('--expires-at <time>', 'until when, such as 2027-01-31T00:00:00Z').conflicts([
        'expiresIn',
        'neverExpires',
      ]),
    )
    .addOption(new Option('--never-expires', 'until it is revoked').conflicts(['expiresIn', 'expiresAt']));
}

/** As `api-keys` takes it; nothing when nothing was said. */
export function expiryOf({ expiresIn, expiresAt, neverExpires }: ExpiryOptions): { expiresAt?: string | null } {
  if (neverExpires) return { expiresAt: null };
  if (expiresIn !== undefined) {
    const end = new Date(Date.now() + 1000 * expiresIn);
    if (Number.isNaN(end.getTime())) throw new CommandError('--expires-in is longer than there is time.');
    return { expiresAt: end.toISOString() };
  }
  return expiresAt === undefined ? {} : { expiresAt };
}

/** `<resource> <scope> …` in one value, repeated: each is one resource server. */
export function collectAccess(value: string, before: Access | undefined): Access {
  const [resource, ...scopes] = value.split(/\s+/).filter(Boolean);
  if (resource === undefined) {
    throw new InvalidArgumentError(
      'It must be a resource server and its scopes, such as "https://api.example.com read write".',
    );
  }
  // No prototype: the name comes from outside.
  const access: Access = Object.assign(Object.create(null), before);
  access[resource] = [...new Set([...(access[resource] ?? []), ...scopes])];
  return access;
}

export const SCOPE_OPTION = [
  '--scope <resource scopes…>',
  'a resource server and what of it, "https://api.example.com read write"; may be repeated',
] as const;

/** `https://api.example.com: read write`, a line each. */
export function accessInLines(access: Access): string[] {
  return Object.entries(access).map(([resource, scopes]) =>
    scopes.length ? `${resource}: ${scopes.join(' ')}` : resource,
  );
}
