import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ChatPage } from '../support/chat-page.ts';
import { ALL_MODES, STATES } from '../support/states.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let chat: ChatPage;
beforeAll(async () => {
  chat = await ChatPage.start();
});
afterAll(() => chat.close());

async function violations(): Promise<string[]> {
  // Through the debugger, as the page's own policy would refuse a script from a string.
  await chat.page.evaluate(`${axe}; 0`);
  return chat.page.evaluate(async () => {
    const { axe: checker } = globalThis as never as {
      axe: { run: (what: Document) => Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
    };
    const { violations: found } = await checker.run(document);
    return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`);
  });
}

const LOOKS: [string, string, string][] = [
  ['light', 'theme=light', '/'],
  ['dark', 'theme=dark', '/'],
  ['right to left', 'theme=light', '/rtl'],
];

describe.each(LOOKS)('in %s', (_name, query, path) => {
  it.each(Object.keys(STATES))('axe finds nothing while %s', async (state) => {
    chat.answer = () => {};
    await chat.open(`${query}&${ALL_MODES}`, { path });
    await STATES[state]?.(chat);

    expect(await violations()).toEqual([]);
  });
});

describe('a screen reader', () => {
  it('hears sentences and not the stream', async () => {
    chat.answer = () => {};
    const page = await chat.open();
    const said: string[] = [];
    await page.exposeFunction('said', (text: string) => said.push(text));
    await page.getByRole('status').evaluate((line) => {
      const { said: say } = globalThis as never as { said: (text: string) => void };
      const tell = () => {
        if (line.textContent) say(line.textContent);
      };
      new MutationObserver(tell).observe(line, { childList: true, characterData: true, subtree: true });
    });

    await chat.send('Hi');
    const run = await chat.run();
    for (const word of ['one ', 'two ', 'three ']) run.chunk(word);
    await chat.state('streaming');
    run.complete();
    await chat.state('complete');
    await page.waitForTimeout(100);

    expect(said).toEqual(['Sending', 'Answering', 'Answer complete, 3 words']);
    expect(await chat.log.getAttribute('aria-live')).toBe('off');
  });
});
