import { defineConfig } from 'vitest/config';

/** `npm run shots`: a picture of every state, in shots/, for people to look at. */
export default defineConfig({
  test: {
    include: ['scripts/shots.ts'],
    provide: { target: 'element' },
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
});
