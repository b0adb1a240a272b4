import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Browser, Locator, Page } from 'playwright-core';
import { inject } from 'vitest';
import { preactAlias } from '../../vite.element.config.ts';
import { bundle, collectErrors, openBrowser } from './browser.ts';
import { FaultServer, type Run } from './fault-server.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Which of the two outputs the page is made of. */
    target: keyof typeof PAGES;
  }
}

/** The page's entry for each output, and what stands in for React there. */
const PAGES = {
  react: ['e2e/page.tsx', {}],
  react18: ['e2e/page.tsx', { react: 'react18', 'react-dom': 'react-dom18' }],
  element: ['e2e/element-page.ts', preactAlias],
} as const;

/** What the window must live under. */
const CSP = "default-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'";

const html = `<!doctype html><html lang="en" dir="DIR"><meta charset="utf-8"><title>Test</title>
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/page.css"><link rel="stylesheet" href="/chat.css">
<header><h1>Test</h1><h2>Chat</h2></header><main id="root"></main><script type="module" src="/page.js"></script></html>`;
const pageCss =
  'html,body{margin:0}assistant-chat{height:100%}header{height:40px;overflow:hidden}h1,h2{margin:0;font-size:16px;line-height:20px}main{height:calc(100vh - 40px)}';

/** A browser, a server that can fail, and the window between them. */
export class ChatPage {
  page!: Page;
  errors: string[] = [];
  /** What the model does with the next requests. */
  answer: (run: Run) => void = (run) => {
    run.chunk('Hello');
    run.complete();
  };

  private constructor(
    readonly browser: Browser,
    readonly server: FaultServer,
  ) {}

  /** `mode` is that of React: in development it says what is wrong, and StrictMode mounts twice. */
  static async start(mode: 'production' | 'development' = 'production'): Promise<ChatPage> {
    const [entry, alias] = PAGES[inject('target')];
    const [browser, script, devtools, css] = await Promise.all([
      openBrowser(),
      bundle(entry, alias, mode),
      bundle('../src/devtools/index.ts'),
      readFile(resolve(import.meta.dirname, '../../src/react/styles.css'), 'utf8'),
    ]);
    const headers = { 'Content-Security-Policy': CSP };
    let self: ChatPage | undefined;
    const server = await FaultServer.start({
      answer: (run) => self?.answer(run),
      page: (path) => {
        if (path === '/page.js') return { type: 'text/javascript', body: script };
        if (path === '/devtools.js') return { type: 'text/javascript', body: devtools };
        if (path === '/page.css') return { type: 'text/css', body: pageCss };
        if (path === '/chat.css') return { type: 'text/css', body: css };
        if (path === '/' || path === '/rtl')
          return { type: 'text/html', body: html.replace('DIR', path === '/' ? 'ltr' : 'rtl'), headers };
        return undefined;
      },
    });
    self = new ChatPage(browser, server);
    return self;
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.server.close();
  }

  /** A fresh page; `query` fills the window. */
  async open(query = '', { path = '/', width = 800, height = 600, host = '127.0.0.1' } = {}): Promise<Page> {
    await this.page?.context().close();
    this.server.runs.clear();
    this.server.faults.length = 0;
    this.server.refusals.length = 0;
    this.server.seen.length = 0;
    const context = await this.browser.newContext({ viewport: { width, height } });
    this.page = await context.newPage();
    this.page.setDefaultTimeout(5_000);
    this.errors = collectErrors(this.page);
    await this.page.goto(`${this.server.origin.replace('127.0.0.1', host)}${path}?${query}`);
    await this.input.waitFor();
    return this.page;
  }

  get input(): Locator {
    return this.page.locator('.assistant-input');
  }

  get log(): Locator {
    return this.page.locator('[role=log]');
  }

  /** The last answer. */
  get answered(): Locator {
    return this.page.locator('[data-role=assistant]').last();
  }

  button(name: string): Locator {
    return this.page.getByRole('button', { name, exact: true });
  }

  async send(text: string): Promise<void> {
    await this.input.fill(text);
    await this.input.press('Enter');
  }

  async state(state: string): Promise<void> {
    await this.page.locator(`[data-role=assistant][data-state=${state}]`).last().waitFor();
  }

  /** The newest run, once there is one. */
  async run(): Promise<Run> {
    for (let tries = 0; tries < 200; tries += 1) {
      const run = [...this.server.runs.values()].at(-1);
      if (run) return run;
      await this.page.waitForTimeout(10);
    }
    throw new Error('no run began');
  }
}
