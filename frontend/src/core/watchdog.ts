import type { Clock, Stop } from './runtime.ts';

/** Seconds between beats when the server does not say; the value the contract sends. */
const DEFAULT_HEARTBEAT = 15;
/** ms; below this a slow network would look like a dead one. */
const SHORTEST_SILENCE = 20_000;

/** Milliseconds of silence after which a connection counts as dead. */
export function silenceLimit(heartbeat: string | null): number {
  const seconds = Number(heartbeat);
  const beat = heartbeat !== null && Number.isFinite(seconds) && seconds > 0 ? seconds : DEFAULT_HEARTBEAT;
  return Math.max(2.5 * beat * 1000, SHORTEST_SILENCE);
}

export interface Watchdog {
  /** Something came, if only a comment. */
  touch(): void;
  /** Looks now; a page that slept has timers that are late. */
  check(): void;
  stop: Stop;
}

/** Calls `onSilence` once, after `limit` ms without a touch. */
export function createWatchdog(clock: Clock, limit: number, onSilence: () => void): Watchdog {
  let last = clock.now();
  let stopTimer: Stop = () => {};
  let done = false;

  // A touch only notes the time: setting a timer for each chunk would cost more than the chunk.
  const check = () => {
    if (done) return;
    stopTimer();
    const left = last + limit - clock.now();
    if (left > 0) {
      stopTimer = clock.after(left, check);
      return;
    }
    done = true;
    onSilence();
  };
  check();

  return {
    touch: () => {
      last = clock.now();
    },
    check,
    stop: () => {
      done = true;
      stopTimer();
    },
  };
}
