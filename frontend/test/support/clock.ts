import type { Clock } from '../../src/core/runtime.ts';

interface Timer {
  at: number;
  order: number;
  run: () => void;
}

/** A clock that moves only when told to, running what falls due in order. */
export class ManualClock implements Clock {
  #now = 1_000_000;
  #order = 0;
  #timers = new Set<Timer>();

  now = (): number => this.#now;

  after = (ms: number, run: () => void) => {
    const timer = { at: this.#now + Math.max(0, ms), order: this.#order++, run };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  };

  get pending(): number {
    return this.#timers.size;
  }

  /** Moves time on; what a timer starts may fall due within the same advance. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (let timer = this.#next(end); timer; timer = this.#next(end)) {
      this.#now = timer.at;
      this.#timers.delete(timer);
      timer.run();
      await settle();
    }
    this.#now = end;
    await settle();
  }

  /** A page that slept: time is later, and no timer has run. */
  jump(ms: number): void {
    this.#now += ms;
  }

  #next(end: number): Timer | undefined {
    const due = [...this.#timers].filter((timer) => timer.at <= end);
    return due.sort((a, b) => a.at - b.at || a.order - b.order)[0];
  }
}

/** Lets every promise and stream that can go on do so. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 25; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
