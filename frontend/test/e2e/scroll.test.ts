import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ChatPage } from '../support/chat-page.ts';

let chat: ChatPage;
beforeAll(async () => {
  chat = await ChatPage.start();
});
afterAll(() => chat.close());
afterEach(() => {
  expect(chat.errors).toEqual([]);
});

const LINES = `${Array.from({ length: 60 }, (_, at) => `Line ${at}`).join('\n\n')}\n\n`;

/** A window with an answer longer than itself, still being made. */
async function streaming(query = '') {
  chat.answer = (run) => run.chunk(LINES);
  await chat.open(query);
  await chat.send('Hi');
  await chat.page.getByText('Line 59').waitFor();
  return chat.run();
}

const place = () =>
  chat.log.evaluate((box) => ({
    top: box.scrollTop,
    left: box.scrollHeight - box.clientHeight - box.scrollTop,
  }));
/** Two frames: one to render what came, one to lay it out. */
const frames = () =>
  chat.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
const jump = () => chat.page.getByRole('button', { name: 'Jump to the latest' });

async function grow(run: Awaited<ReturnType<typeof streaming>>, mark: string): Promise<void> {
  run.chunk(`${LINES}${mark}\n\n`);
  await chat.page.getByText(mark, { exact: true }).waitFor({ state: 'attached' });
  await frames();
}

describe('the log', () => {
  it('stays at its end while it grows', async () => {
    const run = await streaming();

    for (const mark of ['one', 'two', 'three']) {
      await grow(run, mark);
      expect((await place()).left).toBeLessThanOrEqual(2);
    }
    expect(await jump().count()).toBe(0);
  });

  const ups: [string, () => Promise<void>][] = [
    ['the wheel', () => chat.page.mouse.wheel(0, -40)],
    ['PageUp', () => chat.log.press('PageUp')],
    ['the arrow', () => chat.log.press('ArrowUp')],
    ['Home', () => chat.log.press('Home')],
  ];
  it.each(ups)('is released by %s at once, and then moves 0 px', async (_name, up) => {
    const run = await streaming();
    await chat.log.hover();

    await up();
    await jump().waitFor();
    await chat.page.waitForTimeout(300);
    const before = await place();
    await grow(run, 'one');
    await grow(run, 'two');

    expect(before.left).toBeGreaterThan(2);
    expect((await place()).top).toBe(before.top);
  });

  it('is released by a finger that pulls the text down', async () => {
    const run = await streaming();

    await chat.log.evaluate((box) => {
      for (const [type, clientY] of [
        ['touchstart', 200],
        ['touchmove', 230],
      ] as const) {
        const touches = [new Touch({ identifier: 1, target: box, clientY })];
        box.dispatchEvent(new TouchEvent(type, { touches, bubbles: true }));
      }
      box.scrollTop -= 30;
    });
    await jump().waitFor();
    const before = await place();
    await grow(run, 'one');

    expect((await place()).top).toBe(before.top);
  });

  it('is pinned again at its end, by hand or by the button', async () => {
    const run = await streaming();
    await chat.log.hover();
    await chat.page.mouse.wheel(0, -400);
    await jump().click();
    await grow(run, 'one');
    expect((await place()).left).toBeLessThanOrEqual(2);

    await chat.page.mouse.wheel(0, -400);
    await jump().waitFor();
    await chat.page.mouse.wheel(0, 5_000);
    await jump().waitFor({ state: 'detached' });
    await grow(run, 'two');

    expect((await place()).left).toBeLessThanOrEqual(2);
  });

  it('moves nothing above when an appendix comes', async () => {
    const run = await streaming();
    const top = () =>
      chat.page.getByText('Line 0', { exact: true }).evaluate((line) => line.getBoundingClientRect().top);
    await chat.log.hover();
    await chat.page.mouse.wheel(0, -100_000);
    await jump().waitFor();
    await chat.page.waitForTimeout(300);
    const before = await top();

    run.chunk('x = 1', { part: 'appendix', index: 1, kind: 'code', language: 'py', title: 'Notes' });
    run.complete();
    await chat.state('complete');
    await frames();

    expect(await top()).toBe(before);
  });
});

describe('a narrow page', () => {
  it('of 360 px never scrolls sideways', async () => {
    chat.answer = (run) => {
      const table = `|${' a long heading |'.repeat(8)}\n|${'---|'.repeat(8)}\n|${' cell |'.repeat(8)}\n\n`;
      run.chunk(`${table}\`\`\`\n${'code '.repeat(60)}\n\`\`\`\n\n${'unbroken'.repeat(40)}`);
      run.chunk('x'.repeat(300), { part: 'appendix', index: 1, kind: 'code', title: 'T'.repeat(200) });
      run.fail('internal');
    };
    const page = await chat.open('', { width: 360 });

    await chat.send('long'.repeat(100));
    await chat.state('error');

    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(wide).toBeLessThanOrEqual(360);
    expect(await chat.log.evaluate((box) => box.scrollWidth - box.clientWidth)).toBe(0);
  });
});
