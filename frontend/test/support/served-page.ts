import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { collectErrors } from './browser.ts';

/** A tab on a page that the real server delivers. */
export class ServedPage {
  readonly errors: string[];
  /** `METHOD path` of every call to the server's routes. */
  readonly calls: string[] = [];
  readonly #keys = new Set<string>();

  private constructor(
    readonly page: Page,
    readonly context: BrowserContext,
  ) {
    this.errors = collectErrors(page);
    page.on('request', (request) => {
      const { pathname } = new URL(request.url());
      if (!pathname.includes('/static/')) this.calls.push(`${request.method()} ${pathname}`);
      const key = request.headers()['idempotency-key'];
      if (key !== undefined) this.#keys.add(key);
    });
  }

  /** A visitor of their own, or another tab of the visitor in `context`. */
  static async open(browser: Browser, url: string, context?: BrowserContext): Promise<ServedPage> {
    const own = context ?? (await browser.newContext({ viewport: { width: 900, height: 700 } }));
    const tab = new ServedPage(await own.newPage(), own);
    tab.page.setDefaultTimeout(15_000);
    await tab.page.goto(url);
    await tab.input.waitFor();
    return tab;
  }

  close(): Promise<void> {
    return this.context.close();
  }

  get input(): Locator {
    return this.page.locator('assistant-chat textarea');
  }

  /** The last answer. */
  get answer(): Locator {
    return this.page.locator('[data-role=assistant]').last();
  }

  button(name: string): Locator {
    return this.page.getByRole('button', { name, exact: true });
  }

  /** Returns once the answer to it has its place. */
  async send(text: string): Promise<void> {
    const answers = await this.page.locator('[data-role=assistant]').count();
    await this.input.fill(text);
    await this.input.press('Enter');
    await this.page.locator('[data-role=assistant]').nth(answers).waitFor();
  }

  /** Waits until the last answer is in this state. */
  async state(state: string, timeout = 30_000): Promise<void> {
    await this.answer.and(this.page.locator(`[data-state=${state}]`)).waitFor({ timeout });
  }

  async shows(text: string): Promise<void> {
    await this.page.getByText(text, { exact: false }).last().waitFor();
  }

  /** The words of an answer of `tests/browser/app.py`, in the order they stand there. */
  async words(): Promise<number[]> {
    const text = await this.answer.innerText();
    return Array.from(text.matchAll(/\bw(\d+)\b/g), ([, number]) => Number(number));
  }

  /** How many requests were asked for. A POST that is sent again after a cut has its key, and is the same one. */
  posts(): number {
    return this.#keys.size;
  }
}

/** 1 to `count`: what an answer of so many words must show. */
export function wordsTo(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at + 1);
}
