import type { Stop } from './runtime.ts';

/** Runs the callback once, at the next good moment to change what is shown. */
export type Schedule = (run: () => void) => Stop;

/** ms: how often a hidden page is brought up to date, and the latest a visible one is. */
const HIDDEN_EVERY = 250;
/** ms: where there are no frames at all. */
const FRAME = 16;

/** The next frame of a visible page; a timer where no frame comes because the page is hidden. */
export const nextFrame: Schedule = (run) => {
  if (typeof globalThis.requestAnimationFrame !== 'function') {
    const timer = setTimeout(run, FRAME);
    return () => clearTimeout(timer);
  }
  const stop = () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
  };
  const once = () => {
    stop();
    run();
  };
  const frame = requestAnimationFrame(once);
  const timer = setTimeout(once, HIDDEN_EVERY);
  return stop;
};

export interface FrameBuffer<T> {
  push(item: T): void;
  /** Hands over now what waits. */
  flush(): void;
  /** Drops what waits. */
  clear(): void;
}

/** Collects items and hands them over together, at most once a frame. */
export function createFrameBuffer<T>(
  onFlush: (items: T[]) => void,
  schedule: Schedule = nextFrame,
): FrameBuffer<T> {
  let items: T[] = [];
  let stop: Stop | null = null;

  const take = (): T[] => {
    stop?.();
    stop = null;
    const taken = items;
    items = [];
    return taken;
  };
  const flush = () => {
    const taken = take();
    if (taken.length > 0) onFlush(taken);
  };
  return {
    push(item) {
      items.push(item);
      stop ??= schedule(flush);
    },
    flush,
    clear: take,
  };
}
