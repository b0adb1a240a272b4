import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
// @ts-expect-error the build scripts are plain JavaScript
import { buildStatic, TARGET } from '../../scripts/static.mjs';

/** What is committed in assistant/static/ is what these sources give, byte for byte. */
describe('the delivered files', () => {
  let rebuilt: string;
  beforeAll(async () => {
    rebuilt = await mkdtemp(join(tmpdir(), 'static-'));
    await buildStatic(rebuilt);
  }, 60_000);
  afterAll(() => rm(rebuilt, { recursive: true }));

  it('are the ones that a build gives', async () => {
    const names = await readdir(rebuilt);
    expect(names.sort()).toEqual((await readdir(TARGET)).sort());

    for (const name of names) {
      const [ours, theirs] = await Promise.all(
        [rebuilt, TARGET].map((folder) => readFile(join(folder, name))),
      );
      // Another zlib may pack otherwise; what is packed must be the same.
      if (name.endsWith('.gz'))
        expect(gunzipSync(ours as Buffer), name).toEqual(gunzipSync(theirs as Buffer));
      else expect(ours, name).toEqual(theirs);
    }
  });
});
