/**
 * The wire contract in TypeScript: what a request is, what an event is, what a record is.
 *
 * Names and spelling are those on the wire (snake_case). Lists that the server may extend are
 * `Open<...>`: known members complete in an editor, unknown ones do not break an older client.
 */

/** Any string, with the known values still offered by an editor. */
export type Open<Known extends string> = Known | (string & {});

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export type Mode = Open<'generate' | 'edit' | 'chat'>;

export interface AssistantRequest {
  /** 1..32,000 characters after the server's cleaning. */
  prompt: string;
  mode: Mode;
  /** The caller's opaque key for what the request belongs to (1..128 characters). */
  track_id?: string;
  /** At most 256 KiB as JSON. `history`, `content` and `actions` are understood by the built-in modes. */
  context?: RequestContext;
}

export interface RequestContext {
  history?: Turn[];
  content?: string;
  /** Names of the actions this page can run; a model is offered only those. */
  actions?: string[];
  [key: string]: unknown;
}

export interface Turn {
  role: 'user' | 'assistant';
  content: string;
}

/** The body of the 201. */
export interface Accepted {
  request_id: string;
  status: 'accepted';
  stream_url: string;
  /** Milliseconds since 1970, UTC. */
  created_at: number;
  expires_at: number;
}

export type RequestStatus = Open<
  | 'accepted'
  | 'running'
  | 'waiting_action'
  | 'recovering'
  | 'cancelling'
  | 'completed'
  | 'cancelled'
  | 'failed'
>;

export interface RequestRecord {
  request_id: string;
  status: RequestStatus;
  mode: Mode;
  track_id?: string | null;
  prompt: string;
  created_at: number;
  expires_at: number;
  last_event_id?: string;
  viewers?: number;
  pending_actions?: ActionData[];
  /** The terminal event's data, once the request has ended. */
  result?: CompleteData | ErrorData | null;
}

export interface StageData {
  ts: number;
  stage: string;
  label?: string | null;
  state: Open<'started' | 'finished' | 'failed' | 'skipped'>;
  index?: number | null;
  total?: number | null;
  /** 0..1 */
  progress?: number | null;
  detail?: string | null;
}

export interface StatusData {
  ts: number;
  state: Open<'accepted' | 'running' | 'waiting_action' | 'recovering' | 'cancelling'>;
  reason?: string | null;
}

export type PartKind = Open<'code' | 'table' | 'file' | 'citation'>;

export interface PartHead {
  part: Open<'text' | 'reasoning' | 'appendix'>;
  /** Which part; never decreases within a request. */
  index: number;
  kind?: PartKind | null;
  title?: string | null;
  language?: string | null;
  url?: string | null;
}

export interface ChunkData extends PartHead {
  ts: number;
  text: string;
}

export interface Part extends PartHead {
  text: string;
}

export interface Action {
  action_id: string;
  name: string;
  /** Validated by the server against the action's schema; comes with `proposed`. */
  args?: Record<string, unknown>;
  phase: Open<'proposed' | 'claimed' | 'resolved' | 'expired'>;
  wants: Open<'nothing' | 'result' | 'approval'>;
  expires_at?: number | null;
  /** Once resolved: what became of it, and what the page answered. */
  status?: Open<'ok' | 'error' | 'denied'> | null;
  value?: unknown;
}

export interface ActionData extends Action {
  ts: number;
}

export interface CompleteData {
  ts: number;
  outcome: Open<'completed' | 'cancelled'>;
  /** The text parts joined: the answer. */
  text: string;
  parts: Part[];
  actions?: Action[] | null;
  finish_reason?: string | null;
  model?: string | null;
  usage?: { input_tokens?: number | null; output_tokens?: number | null } | null;
  /** Seconds. */
  timings?: { first_chunk?: number | null; total?: number | null } | null;
}

export interface ErrorData {
  ts: number;
  code: string;
  /** Safe to show to a user. */
  message: string;
  /** True when a new POST may succeed. */
  retryable: boolean;
  /** Seconds. */
  retry_after?: number | null;
  partial?: { text: string; parts: Part[] } | null;
  trace_id?: string | null;
}

export interface NoticeData {
  ts?: number;
  state: Open<'reset' | 'draining' | 'closing'>;
  reason?: string | null;
}

/**
 * What a stream hands out. `notice` is a `status` frame without an id: it is said to this connection
 * only and moves no cursor. `unknown` is an event this version does not know; ignore it or look inside.
 */
export type AssistantEvent =
  | { event: 'stage'; id: string; data: StageData }
  | { event: 'status'; id: string; data: StatusData }
  | { event: 'response_chunk'; id: string; data: ChunkData }
  | { event: 'action'; id: string; data: ActionData }
  | { event: 'complete'; id: string; data: CompleteData }
  | { event: 'error'; id: string; data: ErrorData }
  | { event: 'notice'; id: null; data: NoticeData }
  | { event: 'unknown'; id: string | null; name: string; data: unknown };

export type TerminalEvent = Extract<AssistantEvent, { event: 'complete' | 'error' }>;

/** The JSON form of a stream, for places where streaming is buffered. */
export interface PollPage {
  events: { id: string; event: string; data: unknown }[];
  notices?: unknown[];
  next: string;
  closed: boolean;
}

/** What the page answers to an action. An answer names the claim it was run under; an approval has none. */
export type ActionReply =
  | { status: 'claimed'; claim: string }
  | { status: 'ok' | 'error' | 'denied'; value?: unknown; claim?: string };
