import { defineConfig } from 'vitest/config';

/** The same suite for each output. One page at a time: these tests also measure how long things take. */
const browser = (target: 'react' | 'react18' | 'element', groupOrder: number, include: string) => ({
  test: {
    name: target,
    include: [include],
    provide: { target },
    fileParallelism: false,
    sequence: { groupOrder },
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
});

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'core',
          include: ['test/{core,integration,wire,react,devtools,static}/**/*.test.{ts,tsx}'],
          typecheck: { enabled: true, include: ['test/core/*.test-d.ts'] },
          testTimeout: 10_000,
        },
      },
      {
        test: {
          name: 'package',
          include: ['test/{package,docs}/*.test.ts'],
          testTimeout: 60_000,
          fileParallelism: false,
        },
      },
      browser('react', 1, 'test/e2e/**/*.test.ts'),
      browser('element', 2, 'test/e2e/**/*.test.ts'),
      // The older React that is allowed: what a person does, and what StrictMode does to effects.
      browser('react18', 3, 'test/e2e/{chat,strict}.test.ts'),
      {
        test: {
          name: 'flask',
          include: ['test/flask/**/*.test.ts'],
          fileParallelism: false,
          sequence: { groupOrder: 4 },
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
