import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';

/** What each output may weigh, gzip, bytes. */
const GATES = { core: 10 * 1024, devtools: 20 * 1024, element: 45 * 1024 };

async function codeOf(entry) {
  const lib = { entry, formats: ['iife'], name: 'it' };
  const result = await build({
    configFile: false,
    logLevel: 'error',
    build: { write: false, minify: true, lib },
  });
  return (Array.isArray(result) ? result[0] : result).output[0].code;
}

const codes = {
  core: await codeOf('src/core/functions.ts'),
  devtools: await codeOf('src/devtools/index.ts'),
  element: readFileSync('dist/element/assistant-chat.js', 'utf8'),
};
for (const [name, code] of Object.entries(codes)) {
  const bytes = gzipSync(code, { level: 9 }).length;
  console.log(`${name}: ${bytes} bytes of ${GATES[name]}`);
  if (bytes > GATES[name]) process.exitCode = 1;
}
