import type { Schedule } from '../../src/core/buffer.ts';

/** Frames that come when the test says so. */
export function manualFrames() {
  const waiting = new Set<() => void>();
  const schedule: Schedule = (run) => {
    waiting.add(run);
    return () => {
      waiting.delete(run);
    };
  };
  const frame = () => {
    const due = [...waiting];
    waiting.clear();
    for (const run of due) run();
  };
  return { schedule, waiting, frame };
}
