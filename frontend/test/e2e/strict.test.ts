import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { ChatPage } from '../support/chat-page.ts';

/** What React does to components in development, where it also says what it does not like. */
describe.runIf(inject('target') !== 'element')('under StrictMode', () => {
  let chat: ChatPage;
  beforeAll(async () => {
    chat = await ChatPage.start('development');
  });
  afterAll(() => chat.close());

  it('a window posts once, opens one connection, and gives React no cause to complain', async () => {
    chat.answer = (run) => run.chunk('Half');
    const page = await chat.open('strict');

    await chat.send('Hi');
    await page.getByText('Half').waitFor();
    const run = await chat.run();
    run.chunk(' and half');
    run.complete();
    await chat.state('complete');

    expect(chat.server.count('POST /request')).toBe(1);
    expect(chat.server.count('GET /stream')).toBe(1);
    expect(await chat.answered.locator('.assistant-markdown').textContent()).toBe('Half and half');
    expect(chat.errors).toEqual([]);
  });

  it('a reload in mid-answer opens one connection again', async () => {
    chat.answer = (run) => run.chunk('Half');
    const page = await chat.open('strict');
    await chat.send('Hi');
    await page.getByText('Half').waitFor();
    chat.server.seen.length = 0;

    await page.reload();
    await page.getByText('Half').waitFor();
    (await chat.run()).complete();
    await chat.state('complete');

    expect(chat.server.count('GET /stream')).toBe(1);
    expect(chat.errors).toEqual([]);
  });
});
