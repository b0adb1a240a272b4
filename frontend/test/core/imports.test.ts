import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const SRC = resolve(import.meta.dirname, '../../src');

/** Which rooms, and which packages, a room may use. Imports go one way: nothing leads back to who uses it. */
const MAY: Record<string, { rooms: string[]; packages: string[] }> = {
  core: { rooms: [], packages: [] },
  react: { rooms: ['core'], packages: ['react', 'marked'] },
  devtools: { rooms: ['core'], packages: [] },
  element: { rooms: ['core', 'react'], packages: ['react', 'react-dom/client', 'preact', 'preact/hooks'] },
};

const importsOf = (file: string) =>
  [...readFileSync(resolve(SRC, file), 'utf8').matchAll(/(?:\bfrom |^import )'([^']+)';$/gm)].map(
    ([, from = '']) => from,
  );

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) =>
  /(?<!\.d)\.tsx?$/.test(file),
);

describe('imports', () => {
  it.each(Object.entries(MAY))('of %s lead only where they may', (room, { rooms, packages }) => {
    const own = files.filter((file) => file.startsWith(`${room}/`));
    const wrong = own.flatMap((file) =>
      importsOf(file)
        .filter((from) => {
          if (!from.startsWith('.')) return !packages.includes(from);
          const target =
            resolve(SRC, file, '..', from)
              .slice(SRC.length + 1)
              .split('/')[0] ?? '';
          return target !== room && !rooms.includes(target);
        })
        .map((from) => `${file}: ${from}`),
    );

    expect(own.length).toBeGreaterThan(0);
    expect(wrong).toEqual([]);
  });

  it('of core are its own files only', () => {
    const used = files
      .filter((file) => file.startsWith('core/'))
      .flatMap(importsOf)
      .filter((from) => !from.startsWith('.'));

    expect([...new Set(used)]).toEqual([]);
  });
});
