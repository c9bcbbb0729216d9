import { describeError } from './describe-error.ts';
import { explainFailure, wordsForOperator } from './explain-failure.ts';

/** What a process says beside its log, or before it has one. Each answers with what is to be written, without a line end. */
export interface Voice {
  tell(text: string, fields?: Record<string, string>): string;
  warn(text: string): string;
  /** Why it does not start, or ends. */
  fail(error: unknown): string;
}

/** The one place that chooses: text for people, or in production JSON lines as the log has them, for whoever collects logs. */
export function createVoice(production: boolean): Voice {
  return production ? inJson : inWords;
}

const inWords: Voice = {
  tell: (text) => text,
  warn: (text) => `Warning: ${text}`,
  fail: explainFailure,
};

const inJson: Voice = {
  tell: (text, fields) => line('info', text, fields),
  warn: (text) => line('warn', text),
  fail(error) {
    const words = wordsForOperator(error);
    if (words !== undefined) return line('fatal', words);
    const described = describeError(error);
    return line('fatal', `A defect ended the service: ${described.message}`, { error: described });
  },
};

function line(level: string, msg: string, fields: object = {}): string {
  return JSON.stringify({ level, time: new Date().toISOString(), ...fields, msg });
}
