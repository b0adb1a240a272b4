import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'core',
          include: ['test/{core,integration,wire,react}/**/*.test.{ts,tsx}'],
          typecheck: { enabled: true, include: ['test/core/*.test-d.ts'] },
          testTimeout: 10_000,
        },
      },
      {
        test: {
          name: 'browser',
          include: ['test/e2e/**/*.test.ts'],
          // One page at a time: these tests also measure how long things take.
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          testTimeout: 20_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
