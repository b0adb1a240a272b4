import { describe, expect, it, vi } from 'vitest';
import { createWatchdog, silenceLimit } from '../../src/core/watchdog.ts';
import { ManualClock } from '../support/clock.ts';

describe('silenceLimit', () => {
  it.each([
    ['15', 37_500],
    ['30', 75_000],
    ['8', 20_000],
    ['1', 20_000],
    [null, 37_500],
    ['0', 37_500],
    ['-1', 37_500],
    ['soon', 37_500],
  ])('heartbeat %s: %i ms', (header, ms) => {
    expect(silenceLimit(header)).toBe(ms);
  });
});

describe('the watchdog', () => {
  function watch(limit = 100) {
    const clock = new ManualClock();
    const bark = vi.fn();
    return { clock, bark, dog: createWatchdog(clock, limit, bark) };
  }

  it('barks once after the limit', async () => {
    const { clock, bark } = watch();

    await clock.advance(99);
    expect(bark).not.toHaveBeenCalled();
    await clock.advance(1);
    expect(bark).toHaveBeenCalledOnce();
    await clock.advance(1_000);
    expect(bark).toHaveBeenCalledOnce();
    expect(clock.pending).toBe(0);
  });

  it('counts from the last touch', async () => {
    const { clock, bark, dog } = watch();

    await clock.advance(90);
    dog.touch();
    await clock.advance(99);
    expect(bark).not.toHaveBeenCalled();
    await clock.advance(1);
    expect(bark).toHaveBeenCalledOnce();
  });

  it('sets no timer at a touch', () => {
    const { clock, dog } = watch();

    for (let i = 0; i < 1_000; i += 1) dog.touch();

    expect(clock.pending).toBe(1);
  });

  it('sees at once that a page has slept', () => {
    const { clock, bark, dog } = watch();

    clock.jump(3_600_000);
    dog.check();

    expect(bark).toHaveBeenCalledOnce();
  });

  it('is silent once stopped', async () => {
    const { clock, bark, dog } = watch();

    dog.stop();
    dog.check();
    await clock.advance(1_000);

    expect(bark).not.toHaveBeenCalled();
    expect(clock.pending).toBe(0);
  });
});
