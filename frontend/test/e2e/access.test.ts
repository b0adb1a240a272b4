import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ChatPage } from '../support/chat-page.ts';

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

const ANSWER =
  '## A heading\n\nText with [a link](https://a.test), `code` and\n\n```py\nx = 1\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- [x] done';

/** The window in each of its states. */
const STATES: Record<string, () => Promise<void>> = {
  empty: async () => {},
  waiting: async () => {
    chat.answer = (run) => run.stage('drafting', 'Drafting');
    await chat.send('Hi');
    await chat.page.getByText('Drafting').waitFor();
  },
  streaming: async () => {
    chat.answer = (run) => run.chunk(ANSWER);
    await chat.send('Hi');
    await chat.state('streaming');
  },
  reconnecting: async () => {
    const headers = { 'Retry-After': '30' };
    chat.answer = (run) => run.chunk(ANSWER);
    chat.server.faults.push(
      { kind: 'cut', after: { events: 2 }, how: 'fin' },
      { kind: 'answer', status: 503, headers },
    );
    await chat.send('Hi');
    await chat.page.locator('.assistant-banner').waitFor();
  },
  complete: async () => {
    chat.answer = (run) => {
      run.chunk('Because.', { part: 'reasoning', index: 0 });
      run.chunk(ANSWER, { index: 1 });
      run.chunk('x = 1', { part: 'appendix', index: 2, kind: 'code', title: 'Notes' });
      run.complete();
    };
    await chat.send('Hi');
    await chat.state('complete');
    await chat.page.getByText('Details').click();
  },
  approval: async () => {
    chat.answer = (run) =>
      run.propose({ action_id: 'a1', name: 'insert_track', args: { bpm: 120 }, wants: 'approval' });
    await chat.send('Hi');
    await chat.page.locator('fieldset').waitFor();
  },
  error: async () => {
    chat.server.refusals.push({ status: 429, code: 'rate_limited', retryAfter: 60 });
    await chat.send('Hi');
    await chat.page.locator('.assistant-error').waitFor();
  },
};

const LOOKS: [string, string, string][] = [
  ['light', 'theme=light', '/'],
  ['dark', 'theme=dark', '/'],
  ['right to left', 'theme=light', '/rtl'],
];

describe.each(LOOKS)('in %s', (_name, query, path) => {
  it.each(Object.keys(STATES))('axe finds nothing while %s', async (state) => {
    await chat.open(query, { path });
    await STATES[state]?.();

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
