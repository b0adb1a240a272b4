import { defineConfig } from 'vite';

// The npm package: ES modules with the SSE parser bundled, so that installing it pulls nothing else in.
export default defineConfig({
  build: {
    target: 'es2022',
    sourcemap: true,
    minify: false,
    lib: { entry: { index: 'src/core/index.ts' }, formats: ['es'] },
  },
});
