import { defineConfig } from 'vitest/config';

/** The same suite for both outputs. One page at a time: these tests also measure how long things take. */
const browser = (target: 'react' | 'element', groupOrder: number) => ({
  test: {
    name: target,
    include: ['test/e2e/**/*.test.ts'],
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
      browser('react', 1),
      browser('element', 2),
      {
        test: {
          name: 'flask',
          include: ['test/flask/**/*.test.ts'],
          fileParallelism: false,
          sequence: { groupOrder: 3 },
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
