import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { preactAlias } from '../../vite.element.config.ts';
import { bundle, collectErrors, openBrowser } from '../support/browser.ts';
import { FaultServer } from '../support/fault-server.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const DOCS = resolve(ROOT, '../docs');
/** Within the package, so that its modules are found. */
const FOLDER = resolve(ROOT, 'node_modules/.examples');

const PAGES = [
  resolve(ROOT, 'README.md'),
  resolve(DOCS, 'reference/typescript.md'),
  ...readdirSync(resolve(DOCS, 'frontend')).map((name) => resolve(DOCS, 'frontend', name)),
];

interface Example {
  name: string;
  language: string;
  code: string;
}

/** Every fenced block of the pages. */
const EXAMPLES = PAGES.flatMap((path) =>
  [...readFileSync(path, 'utf8').matchAll(/^```([a-z]+)\n([\s\S]*?)^```$/gm)].map(
    ([, language = '', code = ''], at): Example => {
      const page = path.split('/').at(-1)?.replace('.md', '') ?? '';
      return { name: `${page}-${at + 1}`, language, code };
    },
  ),
);
const of = (...languages: string[]) => EXAMPLES.filter(({ language }) => languages.includes(language));

const SOURCES = {
  '@assistant/client/react': resolve(ROOT, 'src/react/index.ts'),
  '@assistant/client/devtools': resolve(ROOT, 'src/devtools/index.ts'),
  '@assistant/client/styles.css': resolve(ROOT, 'src/react/styles.css'),
  '@assistant/client': resolve(ROOT, 'src/core/index.ts'),
};
/** Loads the example when the element is there, and says how that went. */
const RUN = `customElements.whenDefined('assistant-chat'); import('/example.js').then(
  () => { globalThis.ended = 'well' }, (error) => { globalThis.ended = String(error) });`;
const WITH_ELEMENT =
  '<script src="/assistant-chat.js" defer></script><assistant-chat></assistant-chat><script type="module" src="/run.js"></script>';
const CSP = "default-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'";

let browser: Browser;
let server: FaultServer;
let element = '';
let devtools = '';
let html = '';
let script = '';

beforeAll(async () => {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  for (const { name, code } of of('ts', 'tsx')) writeFileSync(resolve(FOLDER, `${name}.tsx`), code);
  [browser, element, devtools] = await Promise.all([
    openBrowser(),
    bundle('../src/element/index.ts', preactAlias, 'production', 'iife'),
    bundle('../src/devtools/index.ts'),
  ]);
  const files: Record<string, () => [string, string]> = {
    '/': () => ['text/html', `<!doctype html><html lang="en"><title>Example</title>${html}`],
    '/assistant-chat.js': () => ['text/javascript', element],
    '/assistant-devtools.js': () => ['text/javascript', devtools],
    '/run.js': () => ['text/javascript', RUN],
    '/example.js': () => ['text/javascript', script],
  };
  server = await FaultServer.start({
    answer: (run) => {
      run.chunk('Dm, Bb, Gm and A7.');
      run.complete();
    },
    page: (path) => {
      const [type, body] = files[path]?.() ?? [];
      return type ? { type, body: body ?? '', headers: { 'Content-Security-Policy': CSP } } : undefined;
    },
  });
});
afterAll(async () => {
  await browser.close();
  await server.close();
});

async function open(): Promise<{ page: Page; errors: string[] }> {
  const page = await browser.newPage();
  page.setDefaultTimeout(10_000);
  const errors = collectErrors(page);
  await page.goto(server.origin);
  return { page, errors };
}

/** Runs the script in its page; gives the page when it has ended well. */
async function run(given: string, body: string): Promise<Page> {
  script = given;
  html = body;
  const { page, errors } = await open();
  await expect.poll(() => page.evaluate('globalThis.ended'), { timeout: 10_000 }).toBe('well');
  await page.waitForTimeout(100);
  expect(errors).toEqual([]);
  return page;
}

describe('the examples of the docs', () => {
  it('are there', () => {
    expect(of('ts').length).toBeGreaterThan(8);
    expect(of('tsx').length).toBeGreaterThan(1);
    expect(of('html').length).toBeGreaterThan(2);
    expect(of('js').length).toBeGreaterThan(2);
  });

  it('in TypeScript fit the types', { timeout: 60_000 }, () => {
    const paths = Object.fromEntries(Object.entries(SOURCES).map(([name, path]) => [name, [path]]));
    const options = {
      ...JSON.parse(readFileSync(resolve(ROOT, 'tsconfig.json'), 'utf8')).compilerOptions,
      paths,
    };
    writeFileSync(resolve(FOLDER, 'css.d.ts'), "declare module '*.css';\n");
    writeFileSync(
      resolve(FOLDER, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: { ...options, noUnusedLocals: false },
        include: ['*.tsx', 'css.d.ts'],
      }),
    );

    expect(execFileSync('npx', ['tsc', '-p', FOLDER], { cwd: ROOT, encoding: 'utf8' })).toBe('');
  });

  it.each(of('ts', 'tsx'))('$name runs', async ({ name }) => {
    const code = await bundle(resolve(FOLDER, `${name}.tsx`), SOURCES);

    const page = await run(code, '<main></main><script type="module" src="/run.js"></script>');
    await page.close();
  });

  it.each(of('js'))('$name runs', async ({ code }) => {
    const page = await run(code, WITH_ELEMENT);

    await page.locator('.assistant-input').waitFor();
    await page.close();
  });

  it.each(of('html'))('$name shows a window that answers', async ({ code }) => {
    html = code;
    const { page, errors } = await open();

    await page.locator('.assistant-input').fill('Which chords fit?');
    await page.locator('.assistant-input').press('Enter');
    await page.locator('[data-role=assistant][data-state=complete]').last().waitFor();
    const devtoolsButton = page.getByRole('button', { name: 'Devtools' });
    if (await devtoolsButton.count()) {
      await devtoolsButton.click();
      await page.getByText('Connections now: 0').waitFor();
    }

    expect(errors).toEqual([]);
    await page.close();
  });

  it.each(of('css'))('$name is taken by the browser', async ({ code }) => {
    html = WITH_ELEMENT;
    script = '';
    const { page } = await open();

    const rules = await page.evaluate((text) => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(text);
      return [...sheet.cssRules].map((rule) => [...(rule as CSSStyleRule).style].length);
    }, code);

    expect(rules.length).toBeGreaterThan(0);
    expect(rules).not.toContain(0);
    await page.close();
  });
});
