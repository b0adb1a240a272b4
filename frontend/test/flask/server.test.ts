import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AssistantChatElement } from '../../src/element/element.tsx';
import { openBrowser } from '../support/browser.ts';
import { FlaskServer } from '../support/flask-server.ts';
import { ServedPage, wordsTo } from '../support/served-page.ts';

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser.close());

/** A server of its own, and a visitor each time one is asked for. */
async function serving(
  settings: Record<string, string>,
  test: (visit: () => Promise<ServedPage>, server: FlaskServer) => Promise<void>,
  app?: string,
): Promise<void> {
  const server = await FlaskServer.start(app, settings);
  const tabs: ServedPage[] = [];
  const visit = async () => {
    const tab = await ServedPage.open(browser, server.origin);
    tabs.push(tab);
    return tab;
  };
  try {
    await test(visit, server);
    for (const tab of tabs) expect(tab.errors).toEqual([]);
  } finally {
    await Promise.all(tabs.map((tab) => tab.close()));
    await server.close();
  }
}

describe.concurrent('a server that restarts', () => {
  it('killed in mid-answer: what was said stays, and it can be sent again', { timeout: 120_000 }, () =>
    serving({}, async (visit, running) => {
      const tab = await visit();
      await tab.send('words 400 20');
      await tab.shows('w20');
      await running.kill();
      await running.start();
      await tab.state('error');

      const kept = await tab.words();
      expect(kept.length).toBeGreaterThanOrEqual(20);
      expect(kept).toEqual(wordsTo(kept.length));
      expect(tab.posts()).toBe(1);

      await tab.button('Send again').last().click();
      await tab.shows('w30');
      await tab.state('complete', 30_000);
      expect(await tab.words()).toEqual(wordsTo(400));
    }),
  );

  it('deployed in mid-answer: the answer comes to its end', { timeout: 120_000 }, () =>
    serving({}, async (visit, running) => {
      const tab = await visit();
      await tab.send('words 150 20');
      await tab.shows('w20');
      running.terminate();
      await tab.state('complete');

      expect(await tab.words()).toEqual(wordsTo(150));
      await running.ended();
      await running.start();
      await tab.send('words 20 1');
      await tab.page.locator('[data-role=assistant]').nth(1).waitFor();
      await tab.state('complete');
      expect(await tab.words()).toEqual(wordsTo(20));
    }),
  );

  it(
    'deployed with little patience: the answer ends in words a person understands',
    { timeout: 120_000 },
    () =>
      serving({ ASSISTANT_DRAIN_TIMEOUT: '0' }, async (visit, running) => {
        const tab = await visit();
        await tab.send('words 2000 20');
        await tab.shows('w20');
        running.terminate();
        await tab.state('error');

        expect((await tab.words()).length).toBeGreaterThanOrEqual(20);
        expect(await tab.button('Try again').count()).toBeGreaterThan(0);
      }),
  );
});

describe.concurrent('a server that refuses', () => {
  it('429: counts down, keeps the draft editable, and takes it after all', { timeout: 120_000 }, () =>
    // on a machine that is busy the first answer takes its time, and the second must come while the window is open
    serving({ ASSISTANT_RATES: 'chat=1/15seconds' }, async (visit) => {
      const tab = await visit();
      await tab.send('one');
      await tab.state('complete');
      await tab.send('two');
      await tab.state('error');
      await tab.shows('You can try again in');
      await tab.input.fill('a draft');
      expect(await tab.input.inputValue()).toBe('a draft');

      await tab.button('Try again').last().click({ timeout: 30_000 });
      await tab.shows('You said: two');
    }),
  );

  it('503: says that it is full, and answers when there is room', { timeout: 120_000 }, () =>
    serving({ ASSISTANT_MAX_ACTIVE: '1' }, async (visit) => {
      const [busy, waiting] = [await visit(), await visit()];
      await busy.send('hold');
      await busy.shows('Holding on.');
      await waiting.send('hello');
      await waiting.state('error');
      await busy.button('Stop').click();
      await busy.state('cancelled');

      await waiting.button('Try again').last().click({ timeout: 15_000 });
      await waiting.shows('You said: hello');
    }),
  );

  it('a token that ends in mid-answer is renewed and nothing is missed', { timeout: 120_000 }, () =>
    serving({}, async (visit) => {
      const tab = await visit();
      await tab.page.evaluate(() => {
        const chat = document.querySelector('assistant-chat') as AssistantChatElement;
        Object.assign(window, { asked: [] as string[] });
        chat.token = async (why) => {
          (window as unknown as { asked: string[] }).asked.push(why);
          return (await fetch('/token?user=ann&seconds=2')).text();
        };
      });
      await tab.send('words 250 25');
      await tab.state('complete');

      expect(await tab.words()).toEqual(wordsTo(250));
      expect(await tab.page.evaluate(() => (window as unknown as { asked: string[] }).asked)).toContain(
        'expired',
      );
      expect(tab.posts()).toBe(1);
    }),
  );
});

describe.concurrent("in a team's own app", () => {
  it('works with its login, its CSRF token, its prefix and its strict policy', { timeout: 120_000 }, () =>
    serving(
      {},
      async (visit, running) => {
        const tab = await visit();
        await tab.shows('An earlier question');
        await tab.shows('answer </script>');
        await tab.send('hello');
        await tab.state('error');
        await tab.shows('You need to sign in');

        await tab.page.goto(`${running.origin}/login`);
        await tab.page.getByLabel('Name').fill('ann');
        await tab.page.getByRole('button', { name: 'Log in' }).click();
        await tab.input.waitFor();
        await tab.send('hello');
        await tab.state('complete');

        await tab.shows('ann said: hello.');
        expect(await tab.words()).toEqual(wordsTo(40));
        expect(tab.calls.filter((call) => call === 'POST /desk/helper/request')).toHaveLength(2);
        await tab.page.reload();
        await tab.shows('ann said: hello.');
        expect(tab.errors).toEqual([]);
      },
      'tests.browser.embedding:app',
    ),
  );

  it('does nothing for a page without the CSRF token', { timeout: 120_000 }, () =>
    serving(
      {},
      async (visit, running) => {
        const tab = await visit();
        await tab.page.goto(`${running.origin}/login`);
        await tab.page.getByLabel('Name').fill('ann');
        await tab.page.getByRole('button', { name: 'Log in' }).click();
        await tab.input.waitFor();
        await tab.page.evaluate(() => document.querySelector('meta[name=csrf-token]')?.remove());
        await tab.send('hello');

        await tab.state('error');
      },
      'tests.browser.embedding:app',
    ),
  );
});
