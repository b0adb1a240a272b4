import type { AssistantError } from './errors.ts';

/** When to try again, and for how long. All pure: the loop in connection.ts owns the time. */
export interface RetryPolicy {
  /** Longest single wait, ms. */
  maxDelay: number;
  /** Wait before the first retry is random below this, ms. */
  firstDelay: number;
  /** Failures in a row after which it is given up. */
  maxFailures: number;
  /** A row of failures without one byte may last this long, ms. */
  maxSilence: number;
  /** A connection that brought an event and lived this long clears the count, ms. */
  healthyAfter: number;
}

export const DEFAULT_RETRY: RetryPolicy = {
  maxDelay: 30_000,
  firstDelay: 250,
  maxFailures: 8,
  maxSilence: 120_000,
  healthyAfter: 5_000,
};

/** Base of the delays until the server's `retry:` line names one, ms; the value the contract sends. */
export const DEFAULT_BASE = 2_000;

export interface DelayFacts {
  /** Failures in a row, this one included: 1, 2, 3 ... */
  failures: number;
  /** ms */
  base: number;
  /** Seconds; a floor, also above `maxDelay`: the server knows why. */
  retryAfter?: number | undefined;
  random: () => number;
}

/** Milliseconds to wait before the next try. */
export function retryDelay(
  policy: RetryPolicy,
  { failures, base, retryAfter = 0, random }: DelayFacts,
): number {
  const delay =
    failures <= 1
      ? random() * policy.firstDelay
      : Math.min(policy.maxDelay, base * 2 ** (failures - 1)) * (0.5 + random() / 2);
  return Math.max(delay, retryAfter * 1000);
}

/**
 * True when another GET may succeed where this one failed. 429 is not among them: there are too many
 * viewers, and one that insists stays one too many.
 */
export function isTransient(error: AssistantError): boolean {
  if (error.status === undefined) return error.kind === 'network';
  return error.status === 408 || error.status >= 500;
}

/** True when a row of failures has become too long. */
export function isHopeless(policy: RetryPolicy, failures: number, rowMs: number): boolean {
  return failures >= policy.maxFailures || rowMs >= policy.maxSilence;
}
