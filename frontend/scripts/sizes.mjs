import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';

/** What each output may weigh, gzip, bytes. */
const GATES = { core: 10 * 1024, element: 45 * 1024 };

const core = await build({
  configFile: false,
  logLevel: 'error',
  build: {
    write: false,
    minify: true,
    lib: { entry: 'src/core/functions.ts', formats: ['iife'], name: 'core' },
  },
});
const codes = {
  core: (Array.isArray(core) ? core[0] : core).output[0].code,
  element: readFileSync('dist/element/assistant-chat.js', 'utf8'),
};
for (const [name, code] of Object.entries(codes)) {
  const bytes = gzipSync(code, { level: 9 }).length;
  console.log(`${name}: ${bytes} bytes of ${GATES[name]}`);
  if (bytes > GATES[name]) process.exitCode = 1;
}
