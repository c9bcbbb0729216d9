import type { Access, ApiKey, NewApiKey } from '../api-keys/api-key.ts';
import { displayNameProblem } from '../clients/display-name.ts';
import type { Problem } from '../clients/problem.ts';
import type { ApiKeyFormView } from '../interactions/console-views.ts';
import { cidrBlock } from '../platform/http/client-address.ts';
import type { Form } from '../platform/http/form.ts';
import type { Message } from '../platform/http/messages.ts';
import { chosenAtFirst, dateRange, type ExpiryPolicy, expiryChoices, readExpiry } from './expiry-choices.ts';
import type { Offered } from './offered-rights.ts';

const MAX_DESCRIPTION = 500;
const MAX_ADDRESSES = 50;
/** More than this many boxes are shown only where one is ticked. */
const MOST_OPEN = 12;

/** What is in the fields, whoever put it there. */
export interface Filled {
  name: string;
  description: string;
  /** Names of ticked boxes. */
  ticked: ReadonlySet<string>;
  expiry: string;
  date: string;
  addresses: string;
}

export interface FormContext {
  offered: Offered[];
  policy: ExpiryPolicy;
  /** The one that is changed. */
  key?: ApiKey;
}

type Fields = Record<string, Message>;
export type FormInput = Required<Pick<NewApiKey, 'name' | 'description' | 'access' | 'allowedAddresses'>> & {
  expiresAt: string | null | undefined;
};
export type FormOutcome = { kind: 'valid'; input: FormInput } | { kind: 'refused'; fields: Fields };

export function filledAtFirst({ policy, key, offered }: FormContext): Filled {
  const { name = '', description = '', access = {}, allowedAddresses = [] } = key ?? {};
  const ticked = offered.flatMap((server) =>
    boxesOf(server).filter(({ scope }) => {
      const given = access[server.identifier];
      return given !== undefined && (scope === undefined || given.includes(scope.name));
    }),
  );
  return {
    name,
    description,
    ticked: new Set(ticked.map(({ field }) => field)),
    expiry: chosenAtFirst(policy, key),
    date: '',
    addresses: allowedAddresses.join('\n'),
  };
}

export function filledIn(form: Form): Filled {
  const { key_name: name = '', description = '', expiry = '', date = '', addresses = '' } = form;
  const ticked = new Set(Object.keys(form).filter((field) => form[field] === 'yes'));
  return { name, description, ticked, expiry, date, addresses };
}

/** What can be said before anybody is asked, in words for people. What may be given is for `api-keys` to say. */
export function readApiKeyForm(filled: Filled, { offered, policy, key }: FormContext): FormOutcome {
  const fields: Fields = {};
  const [name, description] = [filled.name.trim(), filled.description.trim()];
  if (name === '') fields.key_name = { key: 'field.missing' };
  else if ([...name].length > 100) fields.key_name = { key: 'field.too-long' };
  else if (displayNameProblem(name)) fields.key_name = { key: 'api-key.text.invalid' };
  if (description.length > MAX_DESCRIPTION) fields.description = { key: 'field.too-long' };
  else if (/[\p{Cc}\p{Cs}]/u.test(description)) fields.description = { key: 'api-key.text.invalid' };
  const access = accessOf(filled.ticked, offered);
  if (Object.keys(access).length === 0) fields.access = { key: 'api-key.access.missing' };
  const end = readExpiry(filled, policy, key);
  if (end.kind === 'refused') fields[end.field] = end.problem;
  const allowedAddresses = filled.addresses.split(/[\s,]+/).filter(Boolean);
  const wrong = allowedAddresses.find((address) => cidrBlock(address) === undefined);
  if (allowedAddresses.length > MAX_ADDRESSES) fields.addresses = { key: 'api-key.addresses.too-many' };
  else if (wrong) fields.addresses = { key: 'api-key.addresses.invalid', args: { address: wrong.slice(0, 60) } };
  if (end.kind === 'refused' || Object.keys(fields).length > 0) return { kind: 'refused', fields };
  return { kind: 'valid', input: { name, description, access, allowedAddresses, expiresAt: end.expiresAt } };
}

/** The field for what was refused after all: something has changed since the page was opened, or a limit is ours alone. */
export function fieldsOfProblems(problems: Problem[]): Fields {
  const named = problems.map(({ field }): [string, Message] => {
    if (field.startsWith('access')) return ['access', { key: 'api-key.access.refused' }];
    if (field.startsWith('expiresAt')) return ['expiry', { key: 'api-key.expiry.invalid' }];
    if (field.startsWith('allowedAddresses')) return ['addresses', { key: 'field.invalid' }];
    return [field === 'description' ? 'description' : 'key_name', { key: 'field.invalid' }];
  });
  return Object.fromEntries(named);
}

export function formView(
  filled: Filled,
  { offered, policy, key }: FormContext,
): Pick<ApiKeyFormView, 'values' | 'resources' | 'expiry' | 'dates'> {
  const { name, description, date, addresses, ticked } = filled;
  const boxes = offered.map((server) => ({ server, boxes: boxesOf(server) }));
  const isShort = boxes.reduce((sum, { boxes }) => sum + boxes.length, 0) <= MOST_OPEN;
  return {
    values: { name, description, date, addresses },
    resources: boxes.map(({ server, boxes }) => ({
      name: server.name,
      identifier: server.identifier,
      scopes: boxes.map(({ field, scope }) => ({
        field,
        ...(scope && { name: scope.name }),
        description: scope?.description ?? { message: { key: 'api-key.access.call' } },
        chosen: ticked.has(field),
      })),
      open: isShort || boxes.some(({ field }) => ticked.has(field)),
    })),
    expiry: expiryChoices(policy, filled.expiry, key),
    dates: dateRange(policy),
  };
}

/** Fields are named after what they give, so that a list that has changed meanwhile gives nothing else. */
function boxesOf({ identifier, scopes }: Offered): { field: string; scope?: Offered['scopes'][number] }[] {
  if (scopes.length === 0) return [{ field: `resource ${identifier}` }];
  return scopes.map((scope) => ({ field: `scope ${identifier} ${scope.name}`, scope }));
}

function accessOf(ticked: ReadonlySet<string>, offered: Offered[]): Access {
  const chosen = offered.map((server): [string, string[]] | undefined => {
    const boxes = boxesOf(server).filter(({ field }) => ticked.has(field));
    if (boxes.length === 0) return undefined;
    return [server.identifier, boxes.flatMap(({ scope }) => (scope ? [scope.name] : []))];
  });
  return Object.fromEntries(chosen.filter((entry): entry is [string, string[]] => entry !== undefined));
}
