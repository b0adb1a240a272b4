import { describe, expectTypeOf, it } from 'vitest';
import type { Schemas } from '../../src/core/api.ts';
import type { ErrorCode } from '../../src/core/errors.ts';
import type * as wire from '../../src/core/types.ts';

describe('the hand-written types', () => {
  it('hold whatever the server sends', () => {
    expectTypeOf<Schemas['Accepted']>().toExtend<wire.Accepted>();
    expectTypeOf<Schemas['Record']>().toExtend<wire.RequestRecord>();
    expectTypeOf<Schemas['ListedRecord']>().toExtend<wire.RequestRecord>();
    expectTypeOf<Schemas['StageData']>().toExtend<wire.StageData>();
    expectTypeOf<Schemas['StatusData']>().toExtend<wire.StatusData>();
    expectTypeOf<Schemas['ResponseChunkData']>().toExtend<wire.ChunkData>();
    expectTypeOf<Schemas['ActionData']>().toExtend<wire.ActionData>();
    expectTypeOf<Schemas['CompleteData']>().toExtend<wire.CompleteData>();
    expectTypeOf<Schemas['ErrorData']>().toExtend<wire.ErrorData>();
  });

  it('send only what the server takes', () => {
    expectTypeOf<wire.ActionReply>().toExtend<Schemas['ActionReply']>();
    expectTypeOf<wire.Turn>().toExtend<Schemas['Turn']>();
    expectTypeOf<keyof wire.AssistantRequest>().toEqualTypeOf<keyof Schemas['AssistantRequest']>();
  });

  it('know every error code', () => {
    expectTypeOf<ErrorCode>().toEqualTypeOf<Schemas['ErrorCode']>();
  });
});
