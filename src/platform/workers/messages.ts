/** What a worker and the process above it say to each other; prom-client's questions go by the same way. */
export type WorkerMessage = { daemun: 'ready'; text: string } | { daemun: 'stop'; isReplaced: boolean };

export function isReady(message: unknown): message is Extract<WorkerMessage, { daemun: 'ready' }> {
  return (message as { daemun?: unknown } | null)?.daemun === 'ready';
}

export function isStop(message: unknown): message is Extract<WorkerMessage, { daemun: 'stop' }> {
  return (message as { daemun?: unknown } | null)?.daemun === 'stop';
}
