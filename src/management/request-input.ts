import type { Context } from 'koa';
import type * as z from 'zod';
import { badRequest, type FieldProblem, invalidFields, unsupportedMediaType } from '../platform/errors.ts';
import { BODY_LIMIT, readBody } from '../platform/http/form.ts';
import { isNestedTooDeep } from '../provider/json-depth.ts';
import type { OperationSpec } from './operation.ts';

/**
 * The query of a request, each parameter once and known.
 * @throws AppError bad_request
 */
export function readQuery(ctx: Context, schema: z.ZodObject | undefined): unknown {
  const given: Record<string, string> = Object.create(null);
  for (const [name, value] of new URLSearchParams(ctx.querystring)) {
    if (name in given) throw badRequest(name, `The parameter ${JSON.stringify(name)} was sent more than once.`);
    given[name] = value;
  }
  const names = Object.keys(given);
  if (!schema) {
    if (names.length > 0) throw invalidFields(names.map((field) => ({ field, message: 'is not known here' })));
    return undefined;
  }
  return checked(schema, { ...given });
}

/**
 * The body of a request, after it was found to be what the schema says. It is handed on as it came: whoever works with it reads it by
 * the same schema.
 * @throws AppError bad_request, unsupported_media_type, payload_too_large
 */
export async function readJson(ctx: Context, { body, isBodyOptional = false }: OperationSpec): Promise<unknown> {
  if (!body) return undefined;
  const hasNone =
    ctx.get('Content-Type') === '' && (ctx.get('Content-Length') || '0') === '0' && !ctx.get('Transfer-Encoding');
  if (isBodyOptional && hasNone) return {};
  const value = await readAnyJson(ctx);
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw badRequest('body', 'The body must be a JSON object.');
  }
  checked(body, value);
  return value;
}

/** @throws AppError bad_request, unsupported_media_type, payload_too_large */
export async function readAnyJson(ctx: Context, limit = BODY_LIMIT): Promise<unknown> {
  requireJsonType(ctx);
  return parseJson(await readBody(ctx.req, limit));
}

/** @throws AppError bad_request */
export function parseJson(bytes: Buffer): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw badRequest('body', 'The body is not UTF-8.');
  }
  if (isNestedTooDeep(text)) throw badRequest('body', 'The body is nested too deep.');
  try {
    return JSON.parse(text);
  } catch {
    throw badRequest('body', 'The body is not JSON.');
  }
}

/** @throws AppError unsupported_media_type */
export function requireJsonType(ctx: Context): void {
  const [type = '', ...parameters] = ctx.get('Content-Type').toLowerCase().split(';');
  if (type.trim() !== 'application/json') throw unsupportedMediaType('Send the body as application/json.');
  for (const parameter of parameters) {
    const [name, value = ''] = parameter.trim().split('=');
    if (name === 'charset' && value.replaceAll('"', '') !== 'utf-8') {
      throw unsupportedMediaType('Send the body as UTF-8.');
    }
  }
  const encoding = ctx.get('Content-Encoding').toLowerCase();
  if (encoding && encoding !== 'identity') throw unsupportedMediaType('Send the body without content encoding.');
}

function checked(schema: z.ZodObject, value: unknown): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw invalidFields(
    result.error.issues.flatMap((issue): FieldProblem[] => {
      const field = issue.path.map(String).join('.');
      if (issue.code !== 'unrecognized_keys') return [{ field: field || 'body', message: issue.message }];
      return issue.keys.map((key) => ({ field: field ? `${field}.${key}` : key, message: 'is not known here' }));
    }),
  );
}
