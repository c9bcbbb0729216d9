import type { IncomingMessage } from 'node:http';
import type { Context } from 'koa';
import { badRequest, payloadTooLarge, unsupportedMediaType } from '../errors.ts';

export const BODY_LIMIT = 64 * 1024;

/** Field values by name. No prototype, so a field called `__proto__` is only a field. */
export type Form = Readonly<Record<string, string | undefined>>;

/**
 * Reads an HTML form. Every field is a single text.
 * @throws AppError unsupported_media_type, payload_too_large, bad_request (repeated field, NUL, cut off)
 */
export async function parseForm(ctx: Context, { limit = BODY_LIMIT }: { limit?: number } = {}): Promise<Form> {
  requireFormType(ctx.req.headers);
  const body = await readBody(ctx.req, limit);
  const form: Record<string, string> = Object.create(null);
  for (const [name, value] of new URLSearchParams(body.toString('utf8'))) {
    if (name in form) throw badRequest(name, `The field ${JSON.stringify(name)} was sent more than once.`);
    if (name.includes('\0') || value.includes('\0')) throw badRequest(name, 'A field contains a NUL character.');
    form[name] = value;
  }
  return form;
}

/** @throws AppError unsupported_media_type, saying what is wrong with it */
export function requireFormType(headers: IncomingMessage['headers']): void {
  const [type = '', ...parameters] = (headers['content-type'] ?? '').toLowerCase().split(';');
  if (type.trim() !== 'application/x-www-form-urlencoded') throw unsupportedMediaType();
  for (const parameter of parameters) {
    const [name, value = ''] = parameter.trim().split('=');
    if (name === 'charset' && value.replaceAll('"', '') !== 'utf-8')
      throw unsupportedMediaType('Send the form as UTF-8.');
  }
  const encoding = headers['content-encoding'];
  if (encoding && encoding.toLowerCase() !== 'identity')
    throw unsupportedMediaType('Send the form without content encoding.');
}

/**
 * The whole body, or nothing. A sender that goes over the limit is told so at once, and what it still sends is read and dropped:
 * closing instead would often reset the connection before it could read the answer.
 * @throws AppError payload_too_large, bad_request
 */
export function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const declared = Number(request.headers['content-length'] ?? 0);
    if (declared > limit) return reject(tooLarge(request, limit));
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > limit) return reject(tooLarge(request, limit));
      chunks.push(chunk);
    });
    request.once('end', () => resolve(Buffer.concat(chunks)));
    request.once('close', () => {
      if (!request.complete) reject(badRequest(undefined, 'The request ended before its body was complete.'));
    });
  });
}

function tooLarge(request: IncomingMessage, limit: number): Error {
  request.removeAllListeners('data');
  request.resume();
  return payloadTooLarge(`The body is larger than ${Math.floor(limit / 1024)} KiB.`);
}
