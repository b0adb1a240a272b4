import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { AssistantChatElement } from '../../src/element/element.tsx';
import { ChatPage } from '../support/chat-page.ts';

declare const chat: AssistantChatElement;
declare const heard: string[];

/** What only the element has: attributes, properties, events, methods. */
describe.runIf(inject('target') === 'element')('the element', () => {
  let window: ChatPage;
  beforeAll(async () => {
    window = await ChatPage.start();
  });
  afterAll(() => window.close());

  it('sends, stops and takes the focus when the page says so', async () => {
    window.answer = (run) => run.chunk('Half');
    const page = await window.open();

    expect(await page.evaluate(() => chat.send('From the page'))).toBe(true);
    await page.getByText('Half').waitFor();
    await page.evaluate(() => chat.focusInput());
    expect(await window.input.evaluate((input) => input.matches(':focus'))).toBe(true);
    await page.evaluate(() => chat.stop());
    await window.state('cancelled');

    expect(await page.evaluate(() => heard.at(-1))).toBe('message Half');
  });

  it('reads its attributes, also when they change', async () => {
    const page = await window.open('theme=light');

    await page.evaluate(() => {
      chat.setAttribute('theme', 'dark');
      chat.setAttribute('label', 'Helper');
    });
    await page.locator('section[data-theme=dark]').waitFor();

    expect(await page.getByRole('region', { name: 'Helper' }).count()).toBe(1);
  });

  it('sends a context that is asked for at each send, and a token of the page', async () => {
    window.answer = (run) => run.complete();
    const page = await window.open();

    await page.evaluate(() => {
      chat.context = () => ({ content: 'asked now' });
      chat.token = 'a-token';
    });
    await window.input.waitFor();
    await window.send('Hi');
    await window.state('complete');

    expect((await window.run()).body.context?.content).toBe('asked now');
    expect(await page.evaluate(() => chat.outerHTML)).not.toContain('a-token');
  });

  it('takes earlier turns from the JSON inside, and properties set before it was defined', async () => {
    const page = await window.open();

    await page.evaluate(() => {
      const other = document.createElement('assistant-chat');
      const data = document.createElement('script');
      data.type = 'application/json';
      data.append(JSON.stringify({ messages: [{ role: 'user', content: 'from the template' }] }));
      Object.defineProperty(other, 'strings', {
        value: { send: 'Senden' },
        configurable: true,
        writable: true,
        enumerable: true,
      });
      other.append(data);
      chat.replaceWith(other);
    });

    await page.getByText('from the template').waitFor();
    await page.getByRole('button', { name: 'Senden' }).waitFor();
  });

  it('is painted by custom properties and by parts', async () => {
    const page = await window.open('theme=dark');

    const colours = await page.evaluate(() => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(
        'assistant-chat{--assistant-background:rgb(1, 2, 3)} assistant-chat::part(composer){padding:31px}',
      );
      document.adoptedStyleSheets = [sheet];
      const styleOf = (selector: string) =>
        getComputedStyle(chat.shadowRoot?.querySelector(selector) as Element);
      return [styleOf('section').backgroundColor, styleOf('form').paddingTop];
    });

    expect(colours).toEqual(['rgb(1, 2, 3)', '31px']);
  });

  it('leaves the run alone when it is taken away', async () => {
    window.answer = (run) => run.chunk('Half');
    const page = await window.open();
    await window.send('Hi');
    await page.getByText('Half').waitFor();

    await page.evaluate(() => chat.remove());
    await page.waitForTimeout(100);

    expect(window.server.count('DELETE')).toBe(0);
    expect(window.errors).toEqual([]);
  });
});
