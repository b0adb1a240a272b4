import { defineConfig } from 'vite';
import { lexerOnly } from './scripts/lexer-only.ts';

// The npm package: ES modules with the markdown parser bundled, so that installing it pulls nothing
// in but the React that the page has already.
export default defineConfig({
  plugins: [lexerOnly()],
  oxc: { jsx: { runtime: 'automatic', development: false } },
  build: {
    target: 'es2022',
    sourcemap: true,
    minify: false,
    lib: {
      entry: { index: 'src/core/index.ts', react: 'src/react/index.ts', devtools: 'src/devtools/index.ts' },
      formats: ['es'],
    },
    rolldownOptions: { external: [/^react($|\/)/, /^react-dom($|\/)/] },
  },
});
