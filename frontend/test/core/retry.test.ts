import { describe, expect, it } from 'vitest';
import { AssistantError, type ErrorKind } from '../../src/core/errors.ts';
import { DEFAULT_RETRY, isHopeless, isTransient, retryDelay } from '../../src/core/retry.ts';

const least = () => 0;
const most = () => 1 - Number.EPSILON;

describe('retryDelay', () => {
  it.each([
    { failures: 1, from: 0, to: 250 },
    { failures: 2, from: 2_000, to: 4_000 },
    { failures: 3, from: 4_000, to: 8_000 },
    { failures: 4, from: 8_000, to: 16_000 },
    { failures: 5, from: 15_000, to: 30_000 },
    { failures: 8, from: 15_000, to: 30_000 },
    { failures: 2_000, from: 15_000, to: 30_000 },
  ])('failure $failures waits $from to $to ms', ({ failures, from, to }) => {
    expect(retryDelay(DEFAULT_RETRY, { failures, base: 2_000, random: least })).toBeCloseTo(from, 3);
    expect(retryDelay(DEFAULT_RETRY, { failures, base: 2_000, random: most })).toBeCloseTo(to, 3);
  });

  it("takes the server's retry as its base", () => {
    expect(retryDelay(DEFAULT_RETRY, { failures: 2, base: 100, random: most })).toBeCloseTo(200, 3);
  });

  it.each([1, 3, 8])('never waits less than Retry-After, at failure %i', (failures) => {
    const facts = { failures, base: 2_000, retryAfter: 60, random: least };
    expect(retryDelay(DEFAULT_RETRY, facts)).toBe(60_000);
  });
});

describe('isTransient', () => {
  const error = (kind: ErrorKind, status?: number) =>
    new AssistantError('', { kind, code: 'x', stage: 'stream', status });

  it.each([408, 500, 501, 502, 503, 504, 599])('tries again after %i', (status) => {
    expect(isTransient(error('unavailable', status))).toBe(true);
  });

  it.each([400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 429])('takes %i as an answer', (status) => {
    expect(isTransient(error('invalid', status))).toBe(false);
  });

  it.each<[ErrorKind, boolean]>([
    ['network', true],
    ['protocol', false],
    ['cancelled', false],
    ['failed', false],
    ['auth', false],
  ])('of errors without a status, %s: %s', (kind, transient) => {
    expect(isTransient(error(kind))).toBe(transient);
  });
});

describe('isHopeless', () => {
  it.each([
    [7, 119_999, false],
    [8, 0, true],
    [1, 120_000, true],
  ])('%i failures in %i ms: %s', (failures, ms, hopeless) => {
    expect(isHopeless(DEFAULT_RETRY, failures, ms)).toBe(hopeless);
  });
});
