import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build, type Rolldown } from 'vite';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkApi, ENTRIES } from '../../scripts/api-report.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const npx = (...command: string[]) => execFileSync('npx', command, { cwd: ROOT, encoding: 'utf8' });

beforeAll(() => {
  execFileSync('npm', ['run', 'build'], { cwd: ROOT, stdio: 'pipe' });
}, 120_000);

/** A room as one minified script, as a page would load it. */
async function scriptOf(entry: string): Promise<string> {
  const lib = { entry: resolve(ROOT, entry), formats: ['iife' as const], name: 'it', fileName: 'it' };
  const result = await build({
    configFile: false,
    logLevel: 'error',
    build: { write: false, minify: true, target: 'es2022', lib },
  });
  const [output] = (Array.isArray(result) ? result : [result]) as Rolldown.RolldownOutput[];
  return output?.output[0].code ?? '';
}

const KIB = 1024;

describe('sizes, gzip', () => {
  const weigh = (code: string) => gzipSync(code, { level: 9 }).length;

  it('the core is at most 8 kB', async () => {
    expect(weigh(await scriptOf('src/core/functions.ts'))).toBeLessThanOrEqual(8 * KIB);
  });

  it.each([
    ['assistant-chat.js', 45],
    ['assistant-devtools.js', 20],
  ])('%s is at most %i kB', (file, most) => {
    const code = readFileSync(resolve(ROOT, 'dist/element', file), 'utf8');

    expect(weigh(code)).toBeLessThanOrEqual(most * KIB);
  });
});

describe('the types that are published', () => {
  // `npm run api` writes the reports anew; look at what changed before you commit it.
  it.each(ENTRIES)('of %s are those of its report', (entry) => {
    expect(checkApi(entry, process.env.UPDATE_API === '1'), 'run `npm run api`').toBe(true);
  });

  it('have no any', () => {
    const dist = resolve(ROOT, 'dist');
    const files = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.d.ts'),
    );
    const withoutComments = (text: string) => text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
    const found = files.filter((file) =>
      /\bany\b/.test(withoutComments(readFileSync(resolve(dist, file), 'utf8'))),
    );

    expect(files.length).toBeGreaterThan(30);
    expect(found).toEqual([]);
  });
});

describe('the package', () => {
  it('is clean for publint', () => {
    expect(npx('publint', '--strict')).toContain('All good!');
  });

  it('resolves under every way to import it', { timeout: 120_000 }, () => {
    const profile = ['--profile', 'esm-only', '--exclude-entrypoints', 'styles.css'];

    // It ends with an error, and here throws, when there is any problem.
    expect(npx('attw', '--pack', '.', ...profile)).toContain('@assistant/client');
  });

  it('names files that are there', () => {
    const { exports: given } = JSON.parse(readFileSync(resolve(ROOT, 'package.json'), 'utf8'));
    const files = Object.values<string | Record<string, string>>(given).flatMap((target) =>
      typeof target === 'string' ? [target] : Object.values(target),
    );

    expect(files.filter((file) => !existsSync(resolve(ROOT, file)))).toEqual([]);
  });
});
