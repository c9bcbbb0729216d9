/** Type numbers of PostgreSQL's catalogue, the same in every version. */
export const elementType = { bytea: 17, text: 25, int4: 23, json: 114 } as const;

const HEADER = 20;
const NULL_LENGTH = -1;

/**
 * One array parameter in PostgreSQL's binary format, which node-postgres sends as it is. Its own text format would quote
 * and escape every payload here and have the server undo it there.
 * @see https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/utils/adt/arrayfuncs.c (array_recv)
 */
export function binaryArray(type: 'bytea' | 'text' | 'json', elements: readonly (Buffer | string | null)[]): Buffer {
  let size = HEADER;
  for (const element of elements) size += 4 + (element === null ? 0 : Buffer.byteLength(element));
  const array = start(size, elementType[type], elements.length);
  let at = HEADER;
  for (const element of elements) {
    if (element === null) {
      at = array.writeInt32BE(NULL_LENGTH, at);
      continue;
    }
    const length =
      typeof element === 'string' ? array.write(element, at + 4) : element.copy(array, at + 4, 0, element.length);
    array.writeInt32BE(length, at);
    at += 4 + length;
  }
  return array;
}

export function binaryIntegers(elements: readonly (number | null)[]): Buffer {
  let size = HEADER;
  for (const element of elements) size += element === null ? 4 : 8;
  const array = start(size, elementType.int4, elements.length);
  let at = HEADER;
  for (const element of elements) {
    at = array.writeInt32BE(element === null ? NULL_LENGTH : 4, at);
    if (element !== null) at = array.writeInt32BE(element, at);
  }
  return array;
}

/** Dimensions, whether there may be nulls, element type, length, lower bound. */
function start(size: number, type: number, length: number): Buffer {
  const array = Buffer.allocUnsafe(size);
  array.writeInt32BE(1, 0);
  array.writeInt32BE(1, 4);
  array.writeInt32BE(type, 8);
  array.writeInt32BE(length, 12);
  array.writeInt32BE(1, 16);
  return array;
}
