import { readFile } from 'node:fs/promises';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBrowser } from '../support/browser.ts';
import { FlaskServer } from '../support/flask-server.ts';
import { ServedPage, wordsTo } from '../support/served-page.ts';

let browser: Browser;
let server: FlaskServer;
beforeAll(async () => {
  [browser, server] = await Promise.all([
    openBrowser(),
    FlaskServer.start('tests.browser.app:app', { ASSISTANT_DEVTOOLS: '1' }),
  ]);
});
afterAll(async () => {
  await browser.close();
  await server.close();
});

async function inTab(test: (tab: ServedPage) => Promise<void>, url = server.origin): Promise<void> {
  const tab = await ServedPage.open(browser, url);
  try {
    await test(tab);
    expect(tab.errors).toEqual([]);
  } finally {
    await tab.close();
  }
}

/** The server's own record of the last answer, asked for by the page's guest. */
async function recorded(tab: ServedPage): Promise<{ status: string; result: { text: string } }> {
  const id = await tab.answer.getAttribute('data-request-id');
  return tab.page.evaluate(async (request) => {
    const session = await fetch('/assistant/session', { method: 'POST' });
    const { access_token } = await session.json();
    const headers = { Authorization: `Bearer ${access_token}` };
    return (await fetch(`/assistant/request/${request}`, { headers })).json();
  }, id);
}

describe('the page of the real server', () => {
  it('answers a guest, all of it and nothing twice', () =>
    inTab(async (tab) => {
      await tab.send('words 150 5');
      await tab.state('complete');

      expect(await tab.words()).toEqual(wordsTo(150));
      expect(tab.posts()).toBe(1);
      expect((await recorded(tab)).status).toBe('completed');
    }));

  it('shows what comes after the text in a part of its own', () =>
    inTab(async (tab) => {
      await tab.send('code');
      await tab.state('complete');

      await tab.shows('Here is a function.');
      await tab.shows('f.py');
      expect(await tab.page.locator('pre code').last().innerText()).toContain('return 1');
    }));

  it('stops, keeps what was said, and answers again', () =>
    inTab(async (tab) => {
      await tab.send('words 2000 20');
      await tab.shows('w10');
      await tab.button('Stop').click();
      await tab.state('cancelled');
      const kept = await tab.words();
      expect(kept.length).toBeGreaterThan(5);
      expect(kept).toEqual(wordsTo(kept.length));
      const record = await recorded(tab);
      expect(record.status).toBe('cancelled');
      expect(record.result.text.match(/w\d+/g)).toHaveLength(kept.length);

      await tab.button('Try again').last().click();
      await tab.shows('w10');
      await tab.input.press('Escape');
      await tab.state('cancelled');
      expect(tab.posts()).toBe(2);
    }));

  it('tells of a failure, keeps what was said, and offers another try', () =>
    inTab(async (tab) => {
      await tab.send('fail');
      await tab.state('error');

      await tab.shows('So far.');
      expect(await tab.button('Try again').count()).toBeGreaterThan(0);
    }));

  it.each([
    ['Approve', 'Published.'],
    ['Deny', 'Not published.'],
  ])('asks for approval: %s', (choice, said) =>
    inTab(async (tab) => {
      await tab.send('publish');
      await tab.button(choice).click();
      await tab.state('complete');

      await tab.shows(said);
    }),
  );

  it('lets the assistant do what the page can: paint itself', () =>
    inTab(async (tab) => {
      await tab.send('paint dark');
      await tab.state('complete');

      await tab.shows('It is dark now.');
      expect(await tab.page.evaluate(() => document.documentElement.dataset.theme)).toBe('dark');
      await tab.page.reload();
      expect(await tab.page.locator('assistant-chat').getAttribute('theme')).toBe('dark');
    }));

  it('begins a new conversation when asked to', () =>
    inTab(async (tab) => {
      await tab.send('hello');
      await tab.state('complete');
      await tab.button('New conversation').click();
      await expect.poll(() => tab.page.locator('[data-role]').count()).toBe(0);

      await tab.send('again');
      await tab.shows('You said: again');
      await tab.page.reload();
      await tab.shows('You said: again');
      expect(await tab.page.getByText('You said: hello').count()).toBe(0);
    }));

  it('goes round its themes', () =>
    inTab(async (tab) => {
      const toggle = tab.page.locator('[data-page=theme]');
      const seen: (string | null)[] = [];
      for (let turn = 0; turn < 3; turn += 1) {
        await toggle.click();
        seen.push(await tab.page.locator('assistant-chat').getAttribute('theme'));
      }

      expect(seen).toEqual(['light', 'dark', 'auto']);
    }));

  it('shows in the devtools what goes over the wire, and exports none of its words', () =>
    inTab(async (tab) => {
      await tab.send('words 30 1');
      await tab.state('complete');
      await tab.page.getByText('POST /request').first().waitFor();
      const download = tab.page.waitForEvent('download');
      await tab.page.getByRole('button', { name: /export/i }).click();
      const exported = await readFile(await (await download).path(), 'utf8');

      expect(exported).toContain('response_chunk');
      expect(exported).not.toMatch(/w1\b|words 30/);
    }, `${server.origin}/?assistant_debug=1`));

  it('has no devtools unless asked', () =>
    inTab(async (tab) => {
      expect(await tab.page.locator('[data-assistant-devtools]').count()).toBe(0);
    }));

  it('works under a host name that is no secure context', () =>
    inTab(
      async (tab) => {
        expect(await tab.page.evaluate(() => isSecureContext)).toBe(false);
        await tab.send('words 40 2');
        await tab.state('complete');

        expect(await tab.words()).toEqual(wordsTo(40));
      },
      server.origin.replace('127.0.0.1', 'plain.test'),
    ));

  it('is one conversation in two tabs, whichever of them stops it', async () => {
    const context = await browser.newContext();
    const url = `${server.origin}/`;
    const first = await ServedPage.open(browser, url, context);
    const second = await ServedPage.open(browser, url, context);
    for (const tab of [first, second])
      await tab.page.evaluate(() =>
        document.querySelector('assistant-chat')?.setAttribute('track-id', 'shared'),
      );
    await first.send('words 2000 15');
    await first.shows('w10');
    await second.page.reload();
    await second.page.evaluate(() =>
      document.querySelector('assistant-chat')?.setAttribute('track-id', 'shared'),
    );
    await second.shows('w10');
    await second.button('Stop').click();
    await Promise.all([first.state('cancelled'), second.state('cancelled')]);

    expect(await first.words()).toEqual(await second.words());
    expect(first.posts() + second.posts()).toBe(1);
    await context.close();
  });
});
