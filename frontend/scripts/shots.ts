import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { ChatPage } from '../test/support/chat-page.ts';
import { ALL_MODES, STATES } from '../test/support/states.ts';

const FOLDER = resolve(import.meta.dirname, '../shots');

let chat: ChatPage;
beforeAll(async () => {
  mkdirSync(FOLDER, { recursive: true });
  chat = await ChatPage.start();
});
afterAll(() => chat.close());

interface Look {
  theme?: 'light' | 'dark';
  path?: string;
  width?: number;
  height?: number;
}

async function shoot(
  name: string,
  state: string,
  { theme = 'light', path = '/', width = 900, height = 820 }: Look,
) {
  chat.answer = () => {};
  await chat.open(`theme=${theme}&${ALL_MODES}`, { path, width, height });
  await STATES[state]?.(chat);
  // Motions end, and pointers leave.
  await chat.page.mouse.move(2, 2);
  await chat.page.waitForTimeout(300);
  await chat.page.screenshot({ path: resolve(FOLDER, `${name}.png`) });
}

describe('pictures', () => {
  it.each(Object.keys(STATES))('%s', (state) => shoot(state, state, {}));

  const dark = ['empty', 'code', 'appendix', 'approval', 'error-limited', 'reconnecting', 'document'];
  it.each(dark)('dark %s', (state) => shoot(`dark-${state}`, state, { theme: 'dark' }));

  const mobile = ['empty', 'code', 'appendix', 'approval', 'error-failed', 'reconnecting', 'document'];
  it.each(mobile)('mobile %s', (state) => shoot(`mobile-${state}`, state, { width: 360, height: 700 }));

  it.each(['empty', 'code'])('wide %s', (state) =>
    shoot(`wide-${state}`, state, { width: 1600, height: 900 }),
  );

  const rtl = ['empty', 'code', 'approval', 'reconnecting'];
  it.each(rtl)('rtl %s', (state) => shoot(`rtl-${state}`, state, { path: '/rtl' }));
});
