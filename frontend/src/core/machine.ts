import { type AssistantError, errorOfEvent } from './errors.ts';
import { isTransient } from './retry.ts';
import type { StreamStatus } from './stream.ts';
import { appendChunk } from './transcript.ts';
import type {
  ActionData,
  AssistantEvent,
  ChunkData,
  CompleteData,
  ErrorData,
  Part,
  StageData,
} from './types.ts';

/**
 * ```
 * sending -> waiting -> streaming -> complete | error | cancelled
 *                 \-> reconnecting <-/          any live state -> stopping -> cancelled | complete | error
 * ```
 */
export type AnswerState =
  | 'sending'
  | 'waiting'
  | 'streaming'
  | 'reconnecting'
  | 'stopping'
  | 'complete'
  | 'error'
  | 'cancelled';

/** One answer as it is shown. Immutable: every change is a new object. */
export interface Answer {
  readonly state: AnswerState;
  readonly requestId: string | null;
  /** The text parts joined. */
  readonly text: string;
  readonly parts: readonly Part[];
  readonly stages: readonly StageData[];
  readonly actions: readonly ActionData[];
  /** The last `status` the server gave, such as `waiting_action`. */
  readonly status: string | null;
  /** While reconnecting: failures in a row, and when the next try comes (ms since 1970). */
  readonly tries: number;
  readonly retryAt: number | null;
  readonly error: AssistantError | null;
  readonly complete: CompleteData | null;
}

export type Input =
  | { type: 'accepted'; requestId: string }
  | { type: 'event'; event: AssistantEvent }
  | { type: 'connection'; status: StreamStatus }
  | { type: 'stop' }
  | { type: 'failed'; error: AssistantError }
  | { type: 'reconnect' };

export const NEW_ANSWER: Answer = {
  state: 'sending',
  requestId: null,
  text: '',
  parts: [],
  stages: [],
  actions: [],
  status: null,
  tries: 0,
  retryAt: null,
  error: null,
  complete: null,
};

export function isOver(state: AnswerState): boolean {
  return state === 'complete' || state === 'error' || state === 'cancelled';
}

/** The answer after the input. What is over stays as it is, except that a lost one may reconnect. */
export function reduce(answer: Answer, input: Input): Answer {
  if (input.type === 'reconnect') return reconnect(answer);
  if (isOver(answer.state)) return answer;
  switch (input.type) {
    case 'accepted':
      return {
        ...answer,
        requestId: input.requestId,
        state: answer.state === 'sending' ? 'waiting' : answer.state,
      };
    case 'event':
      return onEvent(answer, input.event);
    case 'connection':
      return onConnection(answer, input.status);
    case 'stop':
      return { ...answer, state: 'stopping', tries: 0, retryAt: null };
    case 'failed':
      return onFailed(answer, input.error);
  }
}

function onEvent(answer: Answer, event: AssistantEvent): Answer {
  switch (event.event) {
    case 'response_chunk':
      return onChunk(answer, event.data);
    case 'stage':
      return live({ ...answer, stages: withStage(answer.stages, event.data) });
    case 'status':
      return live({ ...answer, status: event.data.state });
    case 'action':
      return live({ ...answer, actions: withAction(answer.actions, event.data) });
    case 'complete':
      return onComplete(answer, event.data);
    case 'error':
      return onErrorEvent(answer, event.data);
    case 'notice':
      return event.data.state === 'reset' ? forget(answer) : answer;
    case 'unknown':
      return answer;
  }
}

/** A stopped view is frozen: what still comes is shown by the last word, if at all. */
function onChunk(answer: Answer, chunk: ChunkData): Answer {
  if (answer.state === 'stopping') return answer;
  const text = chunk.part === 'text' ? answer.text + chunk.text : answer.text;
  return live({ ...answer, text, parts: appendChunk(answer.parts, chunk) });
}

function onComplete(answer: Answer, complete: CompleteData): Answer {
  const state = complete.outcome === 'cancelled' ? 'cancelled' : 'complete';
  // Those of the stream stay as they are; a reloaded page has the record alone to learn them from.
  const told = new Set(answer.actions.map(({ action_id }) => action_id));
  const rest = (complete.actions ?? []).filter(({ action_id }) => !told.has(action_id));
  const actions = [...answer.actions, ...rest.map((action) => ({ ts: complete.ts, ...action }))];
  return { ...settled(answer, state), text: complete.text, parts: complete.parts, actions, complete };
}

function onErrorEvent(answer: Answer, data: ErrorData): Answer {
  const error = errorOfEvent(data, answer.requestId ?? undefined);
  const { text, parts } = data.partial ?? answer;
  return { ...settled(answer, 'error'), text, parts, error };
}

function onFailed(answer: Answer, error: AssistantError): Answer {
  return error.kind === 'cancelled' ? settled(answer, 'cancelled') : { ...settled(answer, 'error'), error };
}

function onConnection(answer: Answer, { state, tries, retryAt }: StreamStatus): Answer {
  if (answer.state === 'stopping' || answer.state === 'sending') return answer;
  if (state === 'waiting') return { ...answer, state: 'reconnecting', tries, retryAt };
  if (state === 'open' || state === 'polling') return live(answer);
  return answer.state === 'reconnecting' ? { ...answer, tries, retryAt: null } : answer;
}

function reconnect(answer: Answer): Answer {
  if (!canReconnect(answer)) return answer;
  return { ...answer, state: 'reconnecting', error: null };
}

/** True when only the connection was lost: the run may well go on without us. */
export function canReconnect(answer: Answer): boolean {
  return (
    answer.state === 'error' &&
    answer.requestId !== null &&
    answer.error !== null &&
    isTransient(answer.error)
  );
}

/** The log comes again from its start. Which actions ran is not part of the log, and is not forgotten. */
function forget(answer: Answer): Answer {
  return live({ ...answer, text: '', parts: [], stages: [] });
}

/** Something came, so the connection stands: waiting for the first words, or streaming them. */
function live(answer: Answer): Answer {
  if (answer.state === 'stopping') return answer;
  const state = answer.parts.length > 0 ? 'streaming' : 'waiting';
  return { ...answer, state, tries: 0, retryAt: null };
}

function settled(answer: Answer, state: 'complete' | 'error' | 'cancelled'): Answer {
  return { ...answer, state, tries: 0, retryAt: null };
}

function withStage(stages: readonly StageData[], stage: StageData): readonly StageData[] {
  const at = stages.findIndex((known) => known.stage === stage.stage && known.index === stage.index);
  return at < 0 ? [...stages, stage] : stages.with(at, { ...stages[at], ...stage });
}

function withAction(actions: readonly ActionData[], action: ActionData): readonly ActionData[] {
  const at = actions.findIndex((known) => known.action_id === action.action_id);
  return at < 0 ? [...actions, action] : actions.with(at, { ...actions[at], ...action });
}
