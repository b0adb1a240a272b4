import { resolve } from 'node:path';
import { defineConfig } from 'vite';
import { lexerOnly } from './scripts/lexer-only.ts';

const preact = resolve(import.meta.dirname, 'src/element/preact.ts');

/** React's names, Preact's weight: the embeddable file carries everything it needs. */
export const preactAlias = {
  'react-dom/client': preact,
  'react/jsx-runtime': 'preact/jsx-runtime',
  react: preact,
};

export default defineConfig({
  plugins: [lexerOnly()],
  oxc: { jsx: { runtime: 'automatic', development: false } },
  resolve: { alias: preactAlias },
  define: { 'process.env.NODE_ENV': '"production"' },
  build: {
    target: 'es2022',
    outDir: 'dist/element',
    emptyOutDir: true,
    lib: {
      entry: 'src/element/index.ts',
      name: 'AssistantChat',
      formats: ['iife'],
      fileName: () => 'assistant-chat.js',
    },
  },
});
