import { defineConfig } from 'vite';

/** React's names, Preact's weight: the embeddable file carries everything it needs. */
export const preactAlias = {
  'react-dom/client': 'preact/compat/client',
  'react-dom': 'preact/compat',
  'react/jsx-runtime': 'preact/jsx-runtime',
  react: 'preact/compat',
};

export default defineConfig({
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
