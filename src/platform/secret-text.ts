import { inspect } from 'node:util';

const MASK = '[secret]';

/** A secret that prints as its mask wherever text is made of it: logs, JSON, templates, `console.log`. */
export class SecretText {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The only way out. Do not keep the result longer than needed. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }

  [inspect.custom](): string {
    return MASK;
  }
}
