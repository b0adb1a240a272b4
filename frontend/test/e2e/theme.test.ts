import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { ChatPage } from '../support/chat-page.ts';
import { ALL_MODES, STATES } from '../support/states.ts';

/** Where the window is, in the page: the body, or a shadow root. */
declare const root: ParentNode & Node;

const read = (path: string) => readFileSync(resolve(import.meta.dirname, '../../..', path), 'utf8');
const CSS = read('frontend/src/react/styles.css');
const DOCS = read('docs/frontend/theming.md');

/** `property: default`, of one block of the stylesheet. */
function defaults(from: string): Record<string, string> {
  const begin = CSS.indexOf(from);
  const block = CSS.slice(begin, CSS.indexOf('\n}', begin));
  return Object.fromEntries(
    [...block.matchAll(/var\((--assistant-[a-z-]+), (.+)\);/g)].map(([, name = '', value = '']) => [
      name,
      value,
    ]),
  );
}

/** The rows of the table: property, light, dark. */
const documented = [
  ...DOCS.matchAll(/^\| `(--assistant-[a-z-]+)` \| `(.+?)` \| (?:`(.+?)`|the same) \|/gm),
].map(([, name = '', light = '', dark = light]) => ({ name, light, dark }));

/** Where each property shows: a state of the window, an element, and what it is computed to. */
const PAINTS: Record<string, [state: string, selector: string, property: string, set: string, got?: string]> =
  {
    background: ['empty', '.assistant-chat', 'backgroundColor', 'rgb(1, 2, 3)'],
    text: ['empty', '.assistant-welcome', 'color', 'rgb(1, 2, 3)'],
    muted: ['empty', '.assistant-connection', 'color', 'rgb(1, 2, 3)'],
    line: ['empty', '.assistant-example', 'borderTopColor', 'rgb(1, 2, 3)'],
    surface: ['code', '.assistant-table th', 'backgroundColor', 'rgb(1, 2, 3)'],
    bubble: ['code', '.assistant-prompt', 'backgroundColor', 'rgb(1, 2, 3)'],
    code: ['code', '.assistant-code', 'backgroundColor', 'rgb(1, 2, 3)'],
    accent: ['code', '.assistant-markdown a', 'color', 'rgb(1, 2, 3)'],
    'on-accent': ['streaming', '.assistant-send', 'color', 'rgb(1, 2, 3)'],
    danger: ['error-failed', '.assistant-error > svg', 'color', 'rgb(1, 2, 3)'],
    warning: ['error-limited', '.assistant-error > svg', 'color', 'rgb(1, 2, 3)'],
    success: ['action', '.assistant-action[data-state=ok] svg', 'color', 'rgb(1, 2, 3)'],
    radius: ['empty', '.assistant-example', 'borderTopLeftRadius', '3px'],
    gap: ['code', '.assistant-content', 'rowGap', '7px'],
    width: ['code', '.assistant-content', 'maxWidth', '300px', '340px'],
    height: ['empty', '.assistant-chat', 'height', '333px'],
    font: ['empty', '.assistant-chat', 'fontFamily', '17px/1.5 fantasy', 'fantasy'],
    mono: ['code', 'pre', 'fontFamily', 'cursive'],
  };

let chat: ChatPage;
beforeAll(async () => {
  chat = await ChatPage.start();
});
afterAll(() => chat.close());

describe('a custom property', () => {
  it('is in the docs, with its defaults in light and dark, when the stylesheet has it', () => {
    const light = defaults('.assistant-chat {');
    const dark = { ...light, ...defaults('.assistant-chat[data-theme="dark"] {') };

    expect(Object.fromEntries(documented.map(({ name, light }) => [name, light]))).toEqual(light);
    expect(Object.fromEntries(documented.map(({ name, dark }) => [name, dark]))).toEqual(dark);
    expect(defaults('.assistant-chat[data-theme="auto"] {')).toEqual(
      defaults('.assistant-chat[data-theme="dark"] {'),
    );
    expect(new Set(Object.keys(PAINTS).map((name) => `--assistant-${name}`))).toEqual(
      new Set(Object.keys(light)),
    );
  });

  it.each(Object.entries(PAINTS))(
    '--assistant-%s paints',
    async (name, [state, selector, property, set, got]) => {
      chat.answer = () => {};
      const page = await chat.open(ALL_MODES);
      await STATES[state]?.(chat);
      const seen = () =>
        page.evaluate(
          ([where, what]) => {
            const found = root.querySelector(where ?? '') as Element;
            return getComputedStyle(found)[what as 'color'];
          },
          [selector, property],
        );
      const before = await seen();

      await page.evaluate(
        ([property_, value]) => document.documentElement.style.setProperty(property_ ?? '', value ?? ''),
        [`--assistant-${name}`, set],
      );
      // A change of colour takes its time.
      await page.waitForTimeout(200);

      expect(await seen()).toBe(got ?? set);
      expect(before).not.toBe(got ?? set);
    },
  );
});

describe.runIf(inject('target') === 'element')('the parts', () => {
  const [, table = ''] = /## Parts[\s\S]*?(\| part \|[\s\S]*?)\n\n/.exec(DOCS) ?? [];
  const names = table
    .split('\n')
    .slice(2)
    .flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([a-z]+)`/g)].map(([, name = '']) => name));

  it('of the docs are those of the window, and can be painted', { timeout: 60_000 }, async () => {
    const found = new Set<string>();
    for (const state of ['empty', 'waiting', 'code', 'appendix', 'action', 'reconnecting', 'error-failed']) {
      chat.answer = () => {};
      const page = await chat.open(ALL_MODES);
      await STATES[state]?.(chat);
      if (state === 'code') {
        await chat.log.hover();
        await page.mouse.wheel(0, -400);
        await page.locator('.assistant-jump').waitFor();
      }
      const painted = await page.evaluate((all) => {
        const sheet = new CSSStyleSheet();
        sheet.replaceSync(all.map((name) => `assistant-chat::part(${name}){letter-spacing:3px}`).join(''));
        document.adoptedStyleSheets = [sheet];
        return [...root.querySelectorAll('[part]')].flatMap((element) =>
          getComputedStyle(element).letterSpacing === '3px'
            ? [...element.part]
            : [`unpainted ${element.part}`],
        );
      }, names);
      for (const name of painted) found.add(name);
    }

    expect([...found].sort()).toEqual([...names].sort());
  });
});
