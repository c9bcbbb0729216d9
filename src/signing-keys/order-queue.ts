/** One after the other. Who is urgent goes before all who are not, and stops nobody who has begun. */
export function createOrderQueue() {
  const waiting = { urgent: [] as (() => Promise<void>)[], others: [] as (() => Promise<void>)[] };
  let isBusy = false;

  async function workOff(): Promise<void> {
    if (isBusy) return;
    isBusy = true;
    for (;;) {
      const next = waiting.urgent.shift() ?? waiting.others.shift();
      if (!next) break;
      await next();
    }
    isBusy = false;
  }

  return function inTurn<Result>(work: () => Promise<Result>, { urgent = false } = {}): Promise<Result> {
    return new Promise((resolve, reject) => {
      waiting[urgent ? 'urgent' : 'others'].push(() => work().then(resolve, reject));
      void workOff();
    });
  };
}
