import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { apiTypes } from '../../scripts/api-types.ts';
import { kindOf } from '../../src/core/errors.ts';

const DOCUMENT = resolve(import.meta.dirname, '../../../docs/reference/openapi.json');

// The package alone, without the server beside it, has nothing to be compared with.
describe.runIf(existsSync(DOCUMENT))("the server's contract", () => {
  const document = JSON.parse(readFileSync(DOCUMENT, 'utf8'));

  it('is what src/core/api.ts was generated from', async () => {
    await expect(apiTypes(document)).toMatchFileSnapshot('../../src/core/api.ts');
  });

  it('has no error code that the client does not know', () => {
    const codes: string[] = document.components.schemas.ErrorCode.enum;
    const kinds: string[] = document.components.schemas.ErrorKind.enum;

    // A status that no table has: a known code keeps its kind, an unknown one would become `invalid` here.
    for (const code of codes) expect(kindOf(code, 418), code).toBe(kindOf(code));
    expect(codes.length).toBeGreaterThan(30);
    expect(new Set(codes.map((code) => kindOf(code)))).toEqual(new Set(kinds));
  });
});
