import { sha256 } from '../platform/sha256.ts';

/**
 * What a value is stored under: SHA-256 of the model's name and the value. A reader of the database has nothing to
 * present, and a value of one kind can never be found as another. Values have at least 126 random bits, so no salt.
 */
export function digestOf(model: string, value: string): Buffer {
  return sha256(`${model}:${value}`);
}
