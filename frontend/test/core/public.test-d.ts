import { describe, expectTypeOf, it } from 'vitest';
import {
  type AssistantClient,
  type AssistantError,
  type AssistantEvent,
  type AssistantStream,
  type CompleteData,
  createAssistantClient,
  type ErrorCode,
  interactWithAssistant,
  type RequestHandle,
  type RequestRecord,
  requestAssistant,
  streamAssistantResponse,
} from '../../src/core/index.ts';

describe('the public functions', () => {
  it('take and give what the design says', () => {
    expectTypeOf(requestAssistant).returns.resolves.toEqualTypeOf<RequestHandle>();
    expectTypeOf(streamAssistantResponse).parameter(0).toEqualTypeOf<string>();
    expectTypeOf(streamAssistantResponse).returns.toEqualTypeOf<AssistantStream>();
    expectTypeOf(interactWithAssistant).returns.toEqualTypeOf<AssistantStream>();
    expectTypeOf(createAssistantClient).returns.toEqualTypeOf<AssistantClient>();
    expectTypeOf<AssistantClient['cancel']>().returns.resolves.toEqualTypeOf<RequestRecord | null>();
    expectTypeOf<AssistantClient['status']>().returns.resolves.toEqualTypeOf<RequestRecord>();
    expectTypeOf<AssistantClient['list']>().returns.resolves.toEqualTypeOf<RequestRecord[]>();
    expectTypeOf<AssistantClient['submitAction']>().returns.resolves.toEqualTypeOf<void>();
  });

  it('refuse a request that is none', () => {
    // @ts-expect-error a prompt is needed
    requestAssistant({ mode: 'chat' });
    // @ts-expect-error an unknown field would be a 400
    requestAssistant({ prompt: 'p', mode: 'chat', model: 'x' });
    // @ts-expect-error a prompt is a string
    interactWithAssistant({ prompt: 1, mode: 'chat' });
  });
});

describe('a stream', () => {
  it('has what the design says', () => {
    expectTypeOf<AssistantStream>().toExtend<AsyncIterable<AssistantEvent>>();
    expectTypeOf<AssistantStream['requestId']>().toEqualTypeOf<Promise<string>>();
    expectTypeOf<AssistantStream['lastEventId']>().toEqualTypeOf<string>();
    expectTypeOf<AssistantStream['done']>().toEqualTypeOf<Promise<CompleteData>>();
    expectTypeOf<AssistantStream['cancel']>().toEqualTypeOf<() => Promise<void>>();
    expectTypeOf<AssistantStream['retryNow']>().toEqualTypeOf<() => void>();
    expectTypeOf<AssistantStream['detach']>().toEqualTypeOf<() => void>();
  });
});

describe('an event', () => {
  it('is told apart by its name, exhaustively', () => {
    const read = (event: AssistantEvent): unknown => {
      switch (event.event) {
        case 'response_chunk':
          return expectTypeOf(event.data.text).toEqualTypeOf<string>();
        case 'stage':
          return expectTypeOf(event.data.stage).toEqualTypeOf<string>();
        case 'complete':
          return expectTypeOf(event.data).toEqualTypeOf<CompleteData>();
        case 'notice':
          return expectTypeOf(event.id).toEqualTypeOf<null>();
        case 'unknown':
          return expectTypeOf(event.data).toEqualTypeOf<unknown>();
        case 'status':
        case 'action':
        case 'error':
          return expectTypeOf(event.id).toEqualTypeOf<string>();
        default:
          return expectTypeOf(event).toEqualTypeOf<never>();
      }
    };
    expectTypeOf(read).parameter(0).not.toBeAny();
  });
});

describe('an error', () => {
  it('knows its codes and takes unknown ones', () => {
    expectTypeOf<'rate_limited'>().toExtend<ErrorCode>();
    expectTypeOf<'brand_new'>().not.toExtend<ErrorCode>();
    expectTypeOf<'brand_new'>().toExtend<AssistantError['code']>();
    expectTypeOf<AssistantError['status']>().toEqualTypeOf<number | undefined>();
  });
});
