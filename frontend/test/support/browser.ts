import { resolve } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { build, type Rolldown } from 'vite';
import { lexerOnly } from '../../scripts/lexer-only.ts';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // A host that is not localhost is no secure context, as on a team's plain http server.
  '--host-resolver-rules=MAP plain.test 127.0.0.1',
];

/** The browser that is installed; CHROMIUM names another. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });
}

/** A page's script, bundled as a team would. */
export async function bundle(
  entry: string,
  alias: Record<string, string> = {},
  mode: 'production' | 'development' = 'production',
  format: 'es' | 'iife' = 'es',
): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: 'error',
    mode,
    plugins: [lexerOnly()],
    resolve: { alias },
    oxc: { jsx: { runtime: 'automatic', development: false } },
    define: { 'process.env.NODE_ENV': JSON.stringify(mode) },
    build: {
      write: false,
      minify: true,
      lib: { entry: resolve(import.meta.dirname, '..', entry), name: 'it', formats: [format] },
    },
  });
  const [output] = (Array.isArray(result) ? result : [result]) as Rolldown.RolldownOutput[];
  return output?.output[0].code ?? '';
}

/** What a page said on its console or threw. Asking for a page that is gone is no mistake of the page. */
export function collectErrors(page: Page): string[] {
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      errors.push(message.text());
  });
  return errors;
}
