import { renderToStaticMarkup } from 'react-dom/server';
import { describe, expect, it } from 'vitest';
import { growBlocks, NO_BLOCKS } from '../../src/react/markdown/blocks.ts';
import { Markdown } from '../../src/react/markdown/Markdown.tsx';

const render = (text: string, complete = true) =>
  renderToStaticMarkup(<Markdown text={text} complete={complete} images={['https://img.test']} />);
const visible = (html: string) =>
  html
    .replace(/<button.*?<\/button>/g, '')
    .replace(/<[^>]*>/g, '')
    .replace(/&(amp|lt|gt|quot|#x27);/g, '?');

/** One of everything an answer is made of. */
const DOCUMENTS = [
  'Take **the** chord and *hold* it, then ***both***, __so__ and _so_, ~~not this~~ `code` end.',
  '# Title\n\nText with **bold `code` inside** and a [link](https://a.test "t") in it.\n\n## Second\n\nDone.',
  'List:\n\n- one **bold**\n- two `code`\n  - nested *em*\n- [ ] open task\n- [x] done task\n\nAfter.',
  '1. first\n2. second with [a link](https://a.test)\n3. third\n\n> quoted **words**\n> go on\n\nEnd.',
  'Before\n\n```python\ndef f(x):\n    return "**x**"\n```\n\nAfter `one` and ``two ` ticks``.\n\n~~~\ntilde\n~~~\n\nEnd.',
  '| a | b |\n|---|:-:|\n| 1 | **2** |\n| `3` | 4 |\n\nAfter the table.',
  'A line\n\n---\n\nAnother line with 2 * 3 * 4 and snake_case_name and a < b.\n\nEnd.',
  'An image ![alt text](https://img.test/a.png) and an escaped \\*star\\* here.\n\nhttps://a.test/b and <https://c.test>.',
  'Setext\n===\n\nText\n\nSub\n---\n\nText **at the end**',
];

describe('half-typed markdown', () => {
  it.each(DOCUMENTS)('shows no raw marker at any prefix of %j', (text) => {
    const count = (shown: string, mark: string) => shown.split(mark).length - 1;
    const final = visible(render(text));
    for (let at = 1; at <= text.length; at += 1) {
      const shown = visible(render(text.slice(0, at), false));
      for (const mark of ['*', '_', '~', '`', '[', ']', '(', '|', '#', '>', '!', '\\']) {
        expect(count(shown, mark), `${JSON.stringify(text.slice(0, at))} shows ${shown}`).toBeLessThanOrEqual(
          count(final, mark),
        );
      }
    }
  });

  it.each(DOCUMENTS)('never hides what was shown for long: %j', (text) => {
    const letters = (html: string) => visible(html).replace(/[^a-z]/gi, '').length;
    let longest = 0;
    for (let at = 1; at <= text.length; at += 1) {
      const now = letters(render(text.slice(0, at), false));
      expect(now, JSON.stringify(text.slice(0, at))).toBeGreaterThanOrEqual(longest - 8);
      longest = Math.max(longest, now);
    }
  });

  it.each(DOCUMENTS)('grows to the blocks of one full read: %j', (text) => {
    let list = NO_BLOCKS;
    for (let at = 1; at <= text.length; at += 1) list = growBlocks(list, text.slice(0, at));
    const whole = growBlocks(NO_BLOCKS, text);

    expect(list.blocks.map(({ key, token }) => [key, token.type])).toEqual(
      whole.blocks.map(({ key, token }) => [key, token.type]),
    );
    expect(render(text, false)).toBe(render(text));
  });

  it('keeps the identity of settled blocks, and reads only the tail again', () => {
    const before = growBlocks(NO_BLOCKS, 'one\n\ntwo\n\nthr');
    const after = growBlocks(before, 'one\n\ntwo\n\nthree');

    expect(after.blocks[0]?.token).toBe(before.blocks[0]?.token);
    expect(after.blocks[1]?.token).toBe(before.blocks[1]?.token);
    expect(after.settledChars).toBe('one\n\ntwo\n\n'.length);
  });

  it('begins anew when the text is another one', () => {
    const before = growBlocks(NO_BLOCKS, 'one\n\ntwo\n\nthree');

    expect(growBlocks(before, 'un\n\ndeux').blocks).toHaveLength(2);
  });
});

describe('noise', () => {
  it.each(['[', '**', '`', '![', '\\\\', '|', '- ', '> ', '#', '~~', '<', '_a', '((', '[]('])(
    'of %j is read in no time',
    (mark) => {
      const began = performance.now();

      for (let size = 1; size <= 4_000; size += 1_000) render(mark.repeat(size), false);

      expect(performance.now() - began).toBeLessThan(2_000);
    },
  );
});

describe('the finished text', () => {
  it('has code with its language and a copy button', () => {
    const html = render('```py title\nx < 1\n```');

    expect(html).toContain('<code data-language="py">x &lt; 1</code>');
    expect(html).toContain('Copy code');
  });

  it('knows links defined further down', () => {
    expect(render('[a]\n\ntext\n\n[a]: https://a.test/')).toContain('<a href="https://a.test/"');
  });

  it('links with noopener, to the web and to mail only', () => {
    expect(render('[a](https://a.test) [b](mailto:x@y.test)')).toMatch(
      /<a href="https:\/\/a.test\/" target="_blank" rel="noopener noreferrer nofollow">a<\/a> <a href="mailto:x@y.test"/,
    );
    for (const url of [
      'javascript:alert(1)',
      'JaVaScRiPt:alert(1)',
      'data:text/html,x',
      'vbscript:x',
      'file:///etc',
      'blob:x',
    ]) {
      expect(render(`[a](${url}) <${url}>`)).not.toContain('<a');
    }
  });

  it('loads images only from allowed origins', () => {
    expect(render('![a](https://img.test/a.png)')).toContain('<img src="https://img.test/a.png"');
    expect(render('![a](https://evil.test/a.png)')).not.toContain('<img');
    expect(render('![a](https://img.test.evil.test/a.png)')).not.toContain('<img');
  });

  it('takes raw HTML for text', () => {
    expect(render('<img src=x onerror=alert(1)>\n\na <b onclick=x>b</b>')).not.toMatch(/<(img|b)\b/);
  });

  it('decodes entities once', () => {
    expect(render('a &amp; b &lt; &amp;lt; &#65; &#x1F600; &unknown; &#0;')).toContain(
      'a &amp; b &lt; &amp;lt; A 😀 &amp;unknown; \ufffd',
    );
  });
});
