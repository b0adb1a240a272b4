import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBrowser } from '../support/browser.ts';
import { FlaskServer } from '../support/flask-server.ts';
import { ServedPage, wordsTo } from '../support/served-page.ts';
import { TcpProxy, type Weather } from '../support/tcp-proxy.ts';

const WORDS = 120;

let browser: Browser;
let server: FlaskServer;
beforeAll(async () => {
  // The shortest heartbeat brings the shortest silence that a client puts up with: 20 s.
  const settings = { ASSISTANT_HEARTBEAT: '2' };
  [browser, server] = await Promise.all([openBrowser(), FlaskServer.start(undefined, settings)]);
});
afterAll(async () => {
  await browser.close();
  await server.close();
});

/** A tab behind a network of its own. */
async function behind(test: (tab: ServedPage, proxy: TcpProxy) => Promise<void>): Promise<void> {
  const proxy = await TcpProxy.start(server.port);
  const tab = await ServedPage.open(browser, proxy.origin);
  try {
    await test(tab, proxy);
    expect(tab.posts()).toBe(1);
  } finally {
    await tab.close();
    await proxy.close();
  }
}

/** From now on the network is like this; connections of before are gone, and the browser knows. */
async function turn(tab: ServedPage, proxy: TcpProxy, weather: () => Weather): Promise<void> {
  proxy.weather = weather;
  proxy.cutAll();
  await tab.page.waitForTimeout(300);
}

/** Numbers below 1 that are the same in each run. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

async function answered(tab: ServedPage): Promise<void> {
  await tab.state('complete', 90_000);
  expect(await tab.words()).toEqual(wordsTo(WORDS));
}

// Most of their time they wait, so they wait together.
describe.concurrent('on a bad network', { timeout: 120_000 }, () => {
  it.each(['fin', 'rst'] as const)('an answer survives cuts at random points (%s)', (how) =>
    behind(async (tab, proxy) => {
      const random = chance(how === 'fin' ? 7 : 11);
      await tab.send(`words ${WORDS} 25`);
      await tab.shows('w3');
      await turn(tab, proxy, () =>
        proxy.cuts < 3 ? { cutAfter: 800 + Math.floor(random() * 4_000), how } : {},
      );

      await answered(tab);
      expect(proxy.cuts).toBe(3);
    }),
  );

  it('an answer is whole after a reload at 20 random points', () =>
    behind(async (tab) => {
      const random = chance(3);
      await tab.send(`words ${WORDS} 200`);
      for (let reload = 0; reload < 20; reload += 1) {
        await tab.page.waitForTimeout(Math.floor(random() * 600));
        await tab.page.reload();
        await tab.input.waitFor();
      }
      // There was something left to say after the last of them.
      expect(await tab.answer.getAttribute('data-state')).not.toBe('complete');

      await answered(tab);
    }));

  it('a slow line brings everything', () =>
    behind(async (tab, proxy) => {
      await turn(tab, proxy, () => ({ rate: 6_000 }));
      await tab.send(`words ${WORDS} 1`);

      await answered(tab);
    }));

  it('a line that falls silent is given up, and the answer goes on over another', () =>
    behind(async (tab, proxy) => {
      await tab.send(`words ${WORDS} 60`);
      await tab.shows('w3');
      let lines = 0;
      await turn(tab, proxy, () => (lines++ === 0 ? { silentAfter: 1_500 } : {}));

      await answered(tab);
      expect(lines).toBeGreaterThan(1);
    }));

  it('where streams are held back the answer is polled for', () =>
    behind(async (tab, proxy) => {
      await turn(tab, proxy, () => ({ buffers: true }));
      // Longer than it takes to give streaming up: 10 s, twice.
      await tab.send(`words ${WORDS} 230`);

      await answered(tab);
      const polls = tab.calls.filter((call) => /^GET .*\/request\//.test(call));
      expect(polls.length).toBeGreaterThan(1);
    }));
});
