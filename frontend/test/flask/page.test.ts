import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBrowser } from '../support/browser.ts';
import { FlaskServer } from '../support/flask-server.ts';
import { ServedPage } from '../support/served-page.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let browser: Browser;
let server: FlaskServer;
beforeAll(async () => {
  const settings = { ASSISTANT_DEVTOOLS: '1', ASSISTANT_DOCS_URL: 'https://docs.example/' };
  [browser, server] = await Promise.all([openBrowser(), FlaskServer.start(undefined, settings)]);
});
afterAll(async () => {
  await browser.close();
  await server.close();
});

async function violations(page: Page): Promise<string[]> {
  // Through the debugger, as the page's own policy would refuse a script from a string.
  await page.evaluate(`${axe}; 0`);
  return page.evaluate(async () => {
    const { axe: checker } = globalThis as never as {
      axe: { run: (what: Document) => Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
    };
    const { violations: found } = await checker.run(document);
    return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`);
  });
}

const sideways = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth > innerWidth);

describe('the page of `make run`', () => {
  it.each([
    ['light', 360],
    ['dark', 360],
    ['light', 1280],
    ['dark', 2200],
  ] as const)('is accessible and fits, %s, %d px wide', async (colorScheme, width) => {
    const context = await browser.newContext({ colorScheme, viewport: { width, height: 740 } });
    const tab = await ServedPage.open(browser, server.origin, context);
    expect(await violations(tab.page)).toEqual([]);
    expect(await sideways(tab.page)).toBe(false);

    await tab.send('code');
    await tab.state('complete');

    expect(await violations(tab.page)).toEqual([]);
    expect(await sideways(tab.page)).toBe(false);
    expect(tab.errors).toEqual([]);
    await context.close();
  });

  it('leaves room in its one bar for all that is there', async () => {
    const tab = await ServedPage.open(browser, server.origin);
    await tab.send('hello');
    await tab.state('complete');

    const [devtools, fresh, side] = await Promise.all(
      [tab.button('Devtools'), tab.button('New conversation'), tab.page.locator('.side')].map((one) =>
        one.boundingBox(),
      ),
    );

    expect((devtools?.x ?? 0) + (devtools?.width ?? 0)).toBeLessThanOrEqual(fresh?.x ?? 0);
    expect((fresh?.x ?? 0) + (fresh?.width ?? 0)).toBeLessThanOrEqual(side?.x ?? 0);
    await tab.close();
  });

  it('keeps the place where one writes above the devtools', async () => {
    const tab = await ServedPage.open(browser, `${server.origin}/?assistant_debug=1`);
    const dock = tab.page.locator('[data-assistant-devtools]');
    await dock.waitFor();

    const [input, panel] = await Promise.all([tab.input.boundingBox(), dock.boundingBox()]);

    expect((input?.y ?? 0) + (input?.height ?? 0)).toBeLessThanOrEqual(panel?.y ?? 0);
    await tab.close();
  });
});
