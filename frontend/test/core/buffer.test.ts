import { afterEach, describe, expect, it, vi } from 'vitest';
import { createFrameBuffer, nextFrame } from '../../src/core/buffer.ts';
import { manualFrames } from '../support/manual-frames.ts';

describe('the frame buffer', () => {
  it('hands over once a frame what came since the last', () => {
    const { schedule: plain, frame } = manualFrames();
    const schedule = vi.fn(plain);
    const seen: number[][] = [];
    const buffer = createFrameBuffer<number>((items) => seen.push(items), schedule);

    buffer.push(1);
    buffer.push(2);
    expect(seen).toEqual([]);
    frame();
    buffer.push(3);
    frame();
    frame();

    expect(seen).toEqual([[1, 2], [3]]);
    expect(schedule).toHaveBeenCalledTimes(2);
  });

  it('flushes at once when told, and the frame then finds nothing', () => {
    const { schedule, frame, waiting } = manualFrames();
    const seen: number[][] = [];
    const buffer = createFrameBuffer<number>((items) => seen.push(items), schedule);

    buffer.push(1);
    buffer.flush();
    buffer.flush();
    expect(waiting.size).toBe(0);
    frame();

    expect(seen).toEqual([[1]]);
  });

  it('drops what waits when it is cleared', () => {
    const { schedule, frame } = manualFrames();
    const flush = vi.fn();
    const buffer = createFrameBuffer<number>(flush, schedule);

    buffer.push(1);
    buffer.clear();
    frame();
    buffer.flush();

    expect(flush).not.toHaveBeenCalled();
  });
});

describe('nextFrame', () => {
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it.each([
    ['comes with the frame of a visible page', true, 0],
    ['comes after 250 ms on a hidden page', false, 250],
  ])('%s, once', (_name, visible, ms) => {
    vi.useFakeTimers();
    const frames: (() => void)[] = [];
    vi.stubGlobal('requestAnimationFrame', (run: () => void) => frames.push(run));
    vi.stubGlobal('cancelAnimationFrame', () => frames.splice(0));
    const run = vi.fn();

    nextFrame(run);
    vi.advanceTimersByTime(Math.max(0, ms - 1));
    expect(run).not.toHaveBeenCalled();
    if (visible) frames[0]?.();
    vi.advanceTimersByTime(1_000);
    for (const late of frames) late();

    expect(run).toHaveBeenCalledOnce();
  });

  it('is a short timer where there are no frames, and can be stopped', () => {
    vi.useFakeTimers();
    const run = vi.fn();

    nextFrame(run)();
    vi.advanceTimersByTime(1_000);
    expect(run).not.toHaveBeenCalled();
    nextFrame(run);
    vi.advanceTimersByTime(16);

    expect(run).toHaveBeenCalledOnce();
  });
});
