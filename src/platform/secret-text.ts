import { inspect } from 'node:util';

/** A secret that prints as its mask wherever text is made of it: logs, JSON, templates, `console.log`. */
export class SecretText<Text extends string = string> {
  readonly #value: Text;
  readonly #mask: string;

  constructor(value: Text, mask = '[secret]') {
    this.#value = value;
    this.#mask = mask;
  }

  /** The only way out. Do not keep the result longer than needed. */
  reveal(): Text {
    return this.#value;
  }

  toString(): string {
    return this.#mask;
  }

  toJSON(): string {
    return this.#mask;
  }

  [inspect.custom](): string {
    return this.#mask;
  }
}
