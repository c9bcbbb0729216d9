import { badRequest } from '../platform/errors.ts';

const CURSOR = /^[\w-]{22}$/;

/** Where the next page begins: the id of the last row seen, in a form that nobody takes for one. It opens nothing that is not open. */
export function cursorOf(id: string): string {
  return Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64url');
}

/** @throws AppError bad_request */
export function idOfCursor(cursor: string): string {
  const hex = CURSOR.test(cursor) ? Buffer.from(cursor, 'base64url').toString('hex') : '';
  if (hex.length !== 32) throw badRequest('cursor', 'This is no cursor of ours.');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
