import { reasonOf, type Stage } from './errors.ts';
import { uuid } from './ids.ts';
import { browserWake, type Wake } from './wake.ts';

/** Stops a timer; calling it again does nothing. */
export type Stop = () => void;

/** Time, as the client sees it. Tests pass one they can turn by hand. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  after(ms: number, run: () => void): Stop;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/** Everything the client takes from its surroundings, so that a test can give it instead. */
export interface Runtime {
  fetch: typeof fetch;
  clock: Clock;
  /** 0 <= x < 1 */
  random: () => number;
  uuid: () => string;
  wake: Wake;
}

export function createRuntime(given: Partial<Runtime> = {}): Runtime {
  return {
    // Called through a closure: a `fetch` replaced later is honoured, and its `this` stays the global.
    fetch: given.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    clock: given.clock ?? systemClock,
    random: given.random ?? Math.random,
    uuid: given.uuid ?? uuid,
    wake: given.wake ?? browserWake,
  };
}

/** The promise, or the signal's reason if that comes first. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal, stage: Stage): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(reasonOf(signal, stage));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** A wait that can be ended early; rejects when the signal is aborted. */
export function createPause(clock: Clock, ms: number, signal: AbortSignal, stage: Stage) {
  let end: Stop = () => {};
  const over = new Promise<void>((resolve) => {
    end = resolve;
  });
  const stop = clock.after(ms, end);
  return { end, done: unlessAborted(over, signal, stage).finally(stop) };
}

/** A controller that is aborted with its parent, and lets go of the parent when released. */
export function linkedController(parent: AbortSignal | undefined): AbortController & { release: Stop } {
  const controller = new AbortController();
  const onAbort = () => controller.abort(parent?.reason);
  if (parent?.aborted) onAbort();
  else parent?.addEventListener('abort', onAbort, { once: true });
  return Object.assign(controller, { release: () => parent?.removeEventListener('abort', onAbort) });
}
