import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ChatPage } from '../support/chat-page.ts';

/** Where the window is, in the page: the body, or a shadow root. */
declare const root: ParentNode & Node;

let chat: ChatPage;
beforeAll(async () => {
  chat = await ChatPage.start();
});
afterAll(() => chat.close());

const quantile = (values: number[], q: number) =>
  [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) * q)] ?? Number.NaN;

/** 30 kB with everything in it. */
const SECTION =
  '## Section\n\nText with **bold**, `code` and a [link](https://a.test).\n\n- one\n- two\n\n```py\nx = 1\n```\n\n';
const LONG = SECTION.repeat(Math.ceil(30_000 / SECTION.length));

describe('speed', () => {
  /**
   * ms of processor time of each flush: the frame's callback with the render and the layout it asks for, as
   * the browser's own trace has it. Time on the clock would also count what others on the machine do.
   */
  async function flushes(characters: number): Promise<{ processor: number[]; clock: number[] }> {
    chat.answer = () => {};
    const page = await chat.open();
    await chat.browser.startTracing(page, { categories: ['devtools.timeline'] });
    await chat.send('Hi');
    const run = await chat.run();
    for (let at = 0; at < LONG.length; at += characters) {
      run.chunk(LONG.slice(at, at + characters));
      await new Promise((resolve) => setTimeout(resolve, 16));
    }
    run.complete();
    await chat.state('complete');
    const { traceEvents } = JSON.parse((await chat.browser.stopTracing()).toString()) as {
      traceEvents: { name: string; tdur?: number; dur?: number }[];
    };
    const frames = traceEvents.filter(({ name }) => name === 'FireAnimationFrame');
    return {
      processor: frames.map(({ tdur = NaN }) => tdur / 1000),
      clock: frames.map(({ dur = NaN }) => dur / 1000),
    };
  }

  it('a 30 kB answer at 60 characters a flush: p99 of the flushes is below 8 ms', {
    timeout: 60_000,
  }, async () => {
    const { processor, clock } = await flushes(60);
    const told = (taken: number[]) => [0.5, 0.9, 0.99].map((q) => quantile(taken, q).toFixed(2)).join(', ');
    console.log(
      `${processor.length} flushes; p50, p90, p99 in ms: ${told(processor)}; on the clock: ${told(clock)}`,
    );

    expect(processor.length).toBeGreaterThan(300);
    expect(quantile(processor, 0.99)).toBeLessThan(8);
  });

  it.each([
    ['from its first line on', 20],
    ['longer than its box', 3_000],
  ])('the log, pinned to its end and %s, shifts nothing while it grows: CLS 0', async (_, begin) => {
    chat.answer = (run) => run.chunk(LONG.slice(0, begin));
    const page = await chat.open();
    await chat.send('Hi');
    const run = await chat.run();
    await chat.state('streaming');
    await page.evaluate(() => {
      const shifts: number[] = [];
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries())
          shifts.push((entry as PerformanceEntry & { value: number }).value);
      }).observe({ type: 'layout-shift' });
      Object.assign(globalThis, { shifts });
    });

    for (let at = begin; at < 12_000; at += 60) {
      run.chunk(LONG.slice(at, at + 60));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    run.chunk('x = 1\n', { part: 'appendix', index: 1, kind: 'code', language: 'py', title: 'Notes' });
    run.complete();
    await chat.state('complete');
    await page.waitForTimeout(300);

    expect(await page.evaluate('shifts')).toEqual([]);
    expect(
      await chat.log.evaluate((box) => box.scrollHeight - box.clientHeight - box.scrollTop),
    ).toBeLessThan(3);
  });

  it('a chunk is visible within 100 ms, p95', async () => {
    chat.answer = () => {};
    const page = await chat.open();
    await chat.send('Hi');
    const run = await chat.run();
    await page.evaluate(() => {
      const seen: Record<string, number> = {};
      const look = () => {
        const text = root.querySelector('.assistant-markdown')?.textContent ?? '';
        for (const [mark] of text.matchAll(/m\d+;/g)) seen[mark] ??= Date.now();
      };
      new MutationObserver(look).observe(root, {
        childList: true,
        characterData: true,
        subtree: true,
      });
      Object.assign(globalThis, { seen });
    });

    const sent: Record<string, number> = {};
    for (let at = 0; at < 60; at += 1) {
      sent[`m${at};`] = Date.now();
      run.chunk(`m${at}; `);
      await page.waitForTimeout(15);
    }
    run.complete();
    await chat.state('complete');
    const seen = (await page.evaluate('seen')) as Record<string, number>;

    const delays = Object.entries(sent).map(([mark, at]) => (seen[mark] ?? Infinity) - at);
    expect(quantile(delays, 0.95)).toBeLessThan(100);
  });

  it('a 30 kB answer commits at most once a frame, and its last word is the whole text', async () => {
    chat.answer = () => {};
    const page = await chat.open();
    await chat.send('Hi');
    const run = await chat.run();
    await page.evaluate(() => {
      const count = { frames: 0, commits: 0, dirty: false };
      const frame = () => {
        count.frames += 1;
        count.dirty = false;
        requestAnimationFrame(frame);
      };
      requestAnimationFrame(frame);
      new MutationObserver(() => {
        count.commits += 1;
      }).observe(root, { childList: true, characterData: true, subtree: true });
      Object.assign(globalThis, { count });
    });

    for (let at = 0; at < LONG.length; at += 40) {
      run.chunk(LONG.slice(at, at + 40));
      if (at % 400 === 0) await new Promise(setImmediate);
    }
    run.complete();
    await chat.state('complete');

    const { frames, commits } = (await page.evaluate('count')) as { frames: number; commits: number };
    // The status line and the end of the answer may each add a commit of their own.
    expect(commits).toBeLessThanOrEqual(frames + 4);
    expect(await page.locator('.assistant-markdown h3').count()).toBe(LONG.match(/## Section/g)?.length);
  });
});
