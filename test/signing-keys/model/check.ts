import fc from 'fast-check';
import { type History, histories, run } from './history.ts';
import type { Logic } from './logic.ts';
import type { Property } from './violation.ts';
import type { World } from './world.ts';

/** Another one finds other histories; the same one the same. */
export const SEED = Number(process.env.TEST_MODEL_SEED ?? 20_261_120);

export interface Finding {
  property: Property;
  /** The shortest history found, and what happened in it. */
  text: string;
}

/** Undefined when no history of so many violates anything. */
export function search(logic: Logic, numRuns: number, seed = SEED): Finding | undefined {
  const result = fc.check(
    fc.property(histories, (history) => run(logic, history)),
    { seed, numRuns, interruptAfterTimeLimit: 120_000, markInterruptAsFailure: true },
  );
  if (!result.failed) return undefined;
  const [history] = result.counterexample ?? [];
  if (!history) throw new Error(`only ${result.numRuns} histories in the time there was`);
  return replay(logic, history, `seed ${seed}, path ${result.counterexamplePath}`);
}

function replay(logic: Logic, history: History, where: string): Finding {
  let world: World | undefined;
  try {
    run(logic, history, (made) => {
      world = made;
    });
  } catch (error) {
    const { name, property, stack } = error as Error & { property: Property };
    const { policy, algorithms, nodes } = history.setup;
    const text = [
      name === 'Violation' ? (error as Error).message : stack,
      `(${where})`,
      `policy ${JSON.stringify(policy)}, ${algorithms}, ${nodes.length} nodes`,
      ...history.actions.map((action) => `  ${JSON.stringify(action)}`),
      'what happened:',
      ...world!.story,
    ].join('\n');
    return { property, text };
  }
  throw new Error('a history that failed does not fail again');
}
