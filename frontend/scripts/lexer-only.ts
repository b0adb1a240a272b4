import type { Plugin } from 'vite';

/**
 * Of marked only the lexer is used, but its file ends with a ready-made parser that keeps all the rest
 * alive: a third of it. The end is cut off, so that bundlers see what is unused. A version whose end looks
 * otherwise fails the build.
 */
export function lexerOnly(): Plugin {
  return {
    name: 'lexer-only',
    transform: {
      filter: { id: /node_modules\/marked\/lib\/marked\.esm\.js$/ },
      handler(code) {
        const ready = /;var (\w+)=new \w+;function \w+\(\w+,\w+\)\{return \1\.parse\(/.exec(code);
        const lexer = /export\{[^}]*\b(\w+) as Lexer\b/.exec(code)?.[1];
        if (!ready || !lexer) throw new Error('marked has changed: look at its end, and mend lexer-only.ts');
        return { code: `${code.slice(0, ready.index)};export{${lexer} as Lexer};`, map: null };
      },
    },
  };
}
