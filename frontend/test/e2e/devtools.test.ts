import { readFile } from 'node:fs/promises';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { AssistantClient } from '../../src/core/index.ts';
import { bundle, collectErrors, openBrowser } from '../support/browser.ts';
import { FaultServer } from '../support/fault-server.ts';

declare const client: AssistantClient;
declare const unmount: () => void;

const HTML =
  '<!doctype html><meta charset="utf-8"><title>Devtools</title><div id="root"></div><script type="module" src="/page.js"></script>';
const CSP = "default-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'";

/** One output is enough: the panel is made of neither React nor the element. */
describe.runIf(inject('target') === 'react')('the devtools panel', () => {
  let browser: Browser;
  let server: FaultServer;
  beforeAll(async () => {
    const script = await bundle('e2e/devtools-page.ts');
    browser = await openBrowser();
    server = await FaultServer.start({
      answer: (run) => run.chunk('<img src=x onerror="window.pwned=1">'),
      page: (path) =>
        path === '/page.js'
          ? { type: 'text/javascript', body: script }
          : { type: 'text/html', body: HTML, headers: { 'Content-Security-Policy': CSP } },
    });
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
  });

  it('shows connections, steps and frames as text, and saves them without words', async () => {
    const page = await browser.newPage();
    const errors = collectErrors(page);
    await page.goto(server.origin);
    server.faults.push({ kind: 'cut', after: { events: 1 }, how: 'rst' });

    await page.evaluate(() => void client.interactWithAssistant({ prompt: 'secret', mode: 'chat' }).done);
    await page.getByText('Connections now: 1').waitFor();
    await page.getByText('frame 1-2 response_chunk').click();
    await page.getByText('onerror=').waitFor();
    [...server.runs.values()].at(-1)?.complete();
    await page.getByText('Connections now: 0').waitFor();
    expect(await page.getByText(/accepted \d+ of 500 ms/).count()).toBe(1);
    expect(await page.getByText(/ended, \d frames, 1 retries/).count()).toBe(1);
    const saving = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Export (redacted)' }).click();
    const saved = await readFile(await (await saving).path(), 'utf8');

    expect(JSON.parse(saved).length).toBeGreaterThan(5);
    expect(saved).not.toMatch(/secret|onerror/);
    await page.getByRole('button', { name: 'Clear' }).click();
    await page
      .getByText(/frame 1-/)
      .first()
      .waitFor({ state: 'detached' });
    await page.evaluate(() => unmount());
    expect(await page.getByRole('button').count()).toBe(0);
    expect(await page.evaluate('window.pwned')).toBeUndefined();
    expect(errors).toEqual([]);
  });
});
