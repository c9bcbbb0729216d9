import type { Context } from 'koa';
import { Problem } from './problem.ts';

const MAX_BYTES = 64 * 1024;
/** Deeper than any sensible value, and far from where writing it out again would exhaust the stack. */
const MAX_DEPTH = 32;

/**
 * Reads a JSON object from the request.
 *
 * @throws Problem 415 for another content type, 413 for more than 64 KiB, 400 for what is not a JSON object
 */
export async function readJsonBody(ctx: Context): Promise<Record<string, unknown>> {
  if (!ctx.is('application/json')) throw new Problem(415, 'Send the body as application/json.');
  if (ctx.get('content-encoding') !== '') throw new Problem(415, 'Send the body without a content encoding.');
  const value = parse(await readBytes(ctx));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Problem(400, 'The body must be a JSON object.');
  }
  if (isDeeperThan(MAX_DEPTH, value)) throw new Problem(400, `The body is nested more than ${MAX_DEPTH} levels deep.`);
  return value as Record<string, unknown>;
}

async function readBytes(ctx: Context): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = ctx.request.length ?? 0;
  if (size > MAX_BYTES) throw tooLarge();
  size = 0;
  for await (const chunk of ctx.req) {
    size += chunk.length;
    if (size > MAX_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The connection ends with the answer: nobody wants to read the rest. */
function tooLarge(): Problem {
  return new Problem(413, `The body may have at most ${MAX_BYTES} bytes.`, { headers: { connection: 'close' } });
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new Problem(400, 'The body is not valid JSON in UTF-8.');
  }
}

/** Level by level and not by recursion, which a hostile body could drive as deep as it likes. */
function isDeeperThan(limit: number, value: object): boolean {
  let level: object[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth >= limit) return true;
    level = level.flatMap((parent) =>
      Object.values(parent).filter((child) => typeof child === 'object' && child !== null),
    );
  }
  return false;
}
