import { defineConfig } from 'vite';

/** The file beside the element, which it loads when someone wants to see what happens. */
export default defineConfig({
  build: {
    target: 'es2022',
    outDir: 'dist/element',
    emptyOutDir: false,
    minify: true,
    lib: { entry: 'src/devtools/index.ts', formats: ['es'], fileName: () => 'assistant-devtools.js' },
  },
});
