// Preloaded into a node: its wall clock is off by CLOCK_OFF milliseconds. Time that only passes (performance.now, timers) is not.
const off = Number(process.env.CLOCK_OFF ?? 0);
const Right = Date;

class Shifted extends Right {
  constructor(...given) {
    if (given.length === 0) super(Right.now() + off);
    else super(...given);
  }

  static now() {
    return Right.now() + off;
  }
}

globalThis.Date = Object.defineProperty(Shifted, 'name', { value: 'Date' });
