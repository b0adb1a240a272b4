import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ChatPage } from '../support/chat-page.ts';
import type { Run } from '../support/fault-server.ts';
import { PAYLOADS, PLACES } from './payloads.ts';

/** Where the window is, in the page: the body, or a shadow root. */
declare const root: ParentNode & Node;

let chat: ChatPage;
beforeAll(async () => {
  chat = await ChatPage.start();
});
afterAll(() => chat.close());

/** Says it, in pieces too, in this place. */
function say(run: Run, place: (typeof PLACES)[number], payload: string): void {
  const half = Math.floor(payload.length / 2);
  const appendix = { part: 'appendix', index: 2, kind: 'citation' };
  if (place === 'text' || place === 'reasoning') {
    run.chunk(payload.slice(0, half), { part: place });
    run.chunk(payload.slice(half), { part: place });
  } else if (place === 'code') run.chunk(payload, { ...appendix, kind: 'code', language: payload });
  else if (place === 'citation') run.chunk(payload, appendix);
  else if (place === 'title') run.chunk('x', { ...appendix, title: payload });
  else if (place === 'url') run.chunk('x', { ...appendix, url: payload, title: 'a' });
  else if (place === 'stage') run.stage('s', payload);
  else if (place === 'suggestion')
    run.propose({
      action_id: 'a2',
      name: 'suggest_prompts',
      args: { prompts: PAYLOADS },
      wants: 'nothing',
    });
  else if (place === 'error') run.fail('content_refused', { message: PAYLOADS.join(' ') });
  else run.propose({ action_id: 'a1', name: payload, args: { [payload]: payload }, wants: 'approval' });
}

describe('text from outside', () => {
  it(`is text: ${PAYLOADS.length} payloads in ${PLACES.length} places run nothing and call nobody`, {
    timeout: 120_000,
  }, async () => {
    expect(PAYLOADS.length).toBeGreaterThanOrEqual(60);
    const foreign: string[] = [];
    chat.answer = () => {};
    const page = await chat.open();
    page.on('request', (request) => {
      if (!request.url().startsWith(chat.server.origin)) foreign.push(request.url());
    });
    page.on('dialog', (dialog) => void dialog.dismiss().then(() => foreign.push('dialog')));
    page.on('popup', () => foreign.push('popup'));

    for (const place of PLACES) {
      chat.answer = (run) => {
        // One answer a place: every payload is a paragraph, a part, or an action of its own.
        for (const [at, payload] of PAYLOADS.entries()) {
          if (place === 'text' || place === 'reasoning') say(run, place, `${payload}\n\n`);
          else if (place === 'action')
            run.propose({
              action_id: `a${at}`,
              name: payload,
              args: { [payload]: payload },
              wants: 'approval',
            });
          else if (place !== 'suggestion' && place !== 'error')
            run.chunk(payload, { ...headOf(place, payload), index: at + 1 });
        }
        if (place === 'suggestion' || place === 'error') say(run, place, '');
        if (place === 'stage') for (const payload of PAYLOADS) say(run, place, payload);
      };
      await chat.send(`payloads in ${place}`);
      await page.waitForTimeout(150);
      await page.evaluate(() => {
        for (const closed of root.querySelectorAll('details')) closed.open = true;
      });
      (await chat.run()).complete();
      await chat.state(place === 'error' ? 'error' : 'complete');
      for (const link of await page.locator('article a').all()) await link.dispatchEvent('mouseover');
    }

    expect(await page.evaluate('window.pwned')).toBeUndefined();
    expect(foreign).toEqual([]);
    const made =
      'script, iframe, object, embed, svg:not(.assistant-icon), math, form form, base, style, link:not([href^="/"]), video, audio, img, marquee';
    expect(await page.locator('main').locator(made).count()).toBe(0);
    const schemes = await page
      .locator('article a')
      .evaluateAll((links) => links.map((link) => new URL((link as HTMLAnchorElement).href).protocol));
    expect(
      [...new Set(schemes)].filter((scheme) => !['http:', 'https:', 'mailto:'].includes(scheme)),
    ).toEqual([]);
    const rels = await page
      .locator('article a')
      .evaluateAll((links) => links.map((link) => link.getAttribute('rel')));
    expect(new Set(rels)).toEqual(new Set(['noopener noreferrer nofollow']));
    expect(chat.errors).toEqual([]);
  });

  it('a prompt is text as well', async () => {
    chat.answer = (run) => run.complete();
    const page = await chat.open();

    for (const payload of PAYLOADS.slice(0, 12)) {
      await chat.send(payload);
      await chat.state('complete');
      await page.locator('form').getByRole('button', { name: 'Send' }).waitFor();
    }

    expect(await page.evaluate('window.pwned')).toBeUndefined();
    expect(await page.locator('.assistant-prompt').first().textContent()).toBe(PAYLOADS[0]);
    expect(chat.errors).toEqual([]);
  });
});

function headOf(place: string, payload: string) {
  const head = { part: 'appendix', kind: 'citation' };
  if (place === 'code') return { ...head, kind: 'code', language: payload };
  if (place === 'title') return { ...head, title: payload };
  if (place === 'url') return { ...head, url: payload, title: 'a' };
  return head;
}
