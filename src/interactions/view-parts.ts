import type { Message } from '../platform/http/messages.ts';

// What views have in common.

export interface PersonView {
  name: string;
  detail?: string;
  initial: string;
}

export interface Problems {
  /** Said above the form; without it a sentence that points at the fields. */
  summary?: Message;
  /** By field name, said beside the field. */
  fields?: Record<string, Message>;
  /** Name and password together are wrong: both fields are marked, neither is blamed. */
  credentials?: boolean;
}
