/** Generated from docs/reference/openapi.json by `npm run generate`. Do not edit. */

export interface Schemas {
  Accepted: {
    /** Milliseconds since 1970, UTC. */
    created_at: number;
    /** Milliseconds since 1970, UTC. */
    expires_at: number;
    /** <YYYYMMDDThhmmssmmmZ>-<uuid4> */
    request_id: string;
    status: 'accepted';
    stream_url: string;
  };
  Action: {
    action_id: string;
    /** Validated by the server; see ActionArgs. */
    args: Record<string, unknown>;
    /** Milliseconds since 1970, UTC. */
    expires_at: number;
    name: string;
    phase: 'proposed' | 'claimed' | 'resolved' | 'expired';
    /** Once resolved. */
    status?: 'ok' | 'error' | 'denied';
    /** Once resolved: what the page answered. */
    value?: unknown;
    wants: 'nothing' | 'result' | 'approval';
  };
  /** The arguments of each action of this app. */
  ActionArgs: {
    prompts: (string)[];
  } | {
    question: string;
  };
  /** `args` comes with phase proposed. */
  ActionData: {
    action_id: string;
    /** Validated by the server; see ActionArgs. */
    args?: Record<string, unknown>;
    /** Milliseconds since 1970, UTC. */
    expires_at: number;
    name: string;
    phase: 'proposed' | 'claimed' | 'resolved' | 'expired';
    /** Once resolved. */
    status?: 'ok' | 'error' | 'denied';
    /** Milliseconds since 1970, UTC. */
    ts: number;
    /** Once resolved: what the page answered. */
    value?: unknown;
    wants: 'nothing' | 'result' | 'approval';
  };
  ActionEvent: {
    data: Schemas['ActionData'];
    event: 'action';
    /** <attempt>-<seq>; the cursor behind this event. */
    id?: string;
  };
  ActionReply: Schemas['ClaimReply'] | Schemas['ResultReply'];
  ActionTaken: {
    action_id: string;
    status: 'claimed' | 'ok' | 'error' | 'denied';
  };
  Alive: {
    status: 'alive';
  };
  /** The body of POST /assistant/request, before cleaning. */
  AssistantRequest: {
    /** At most 256 KiB, depth 16, 2,000 keys. The built-in modes read history, content, actions. */
    context?: Record<string, unknown> | null;
    /** generate, edit, chat or a mode of your own. */
    mode: string;
    /** What the user asks: 1 to 32000 characters after cleaning. */
    prompt: string;
    /** Your key for what the request belongs to: a conversation, a document, a track. */
    track_id?: string | null;
  };
  /** A page takes an action before it runs it; `claim` is a random text of its own. */
  ClaimReply: {
    claim: string;
    status: 'claimed';
  };
  CompleteData: {
    actions: (Schemas['Action'])[];
    finish_reason: string;
    model: string;
    outcome: 'completed' | 'cancelled';
    parts: (Schemas['Part'])[];
    text: string;
    timings: {
      first_chunk: number | null;
      total: number;
    };
    /** Milliseconds since 1970, UTC. */
    ts: number;
    usage: {
      input_tokens: number;
      output_tokens: number;
    };
  };
  CompleteEvent: {
    data: Schemas['CompleteData'];
    event: 'complete';
    /** <attempt>-<seq>; the cursor behind this event. */
    id?: string;
  };
  /** An OpenAPI 3.1 document. */
  Document: Record<string, unknown>;
  /** A client falls back to the status, else to `failed`, for a code that it does not know. */
  ErrorCode: 'abandoned' | 'action_expired' | 'action_failed' | 'budget_exceeded' | 'content_refused' | 'deadline_exceeded' | 'draining' | 'expired' | 'forbidden' | 'gone' | 'handler_failed' | 'idempotency_mismatch' | 'internal' | 'invalid_request' | 'method_not_allowed' | 'misconfigured' | 'not_found' | 'provider_auth' | 'provider_incomplete' | 'provider_protocol' | 'provider_rate_limited' | 'provider_timeout' | 'provider_unavailable' | 'rate_limited' | 'request_timeout' | 'server_full' | 'store_lost' | 'store_unavailable' | 'too_large' | 'too_many_active' | 'too_many_viewers' | 'unauthorized' | 'unsupported_media_type' | 'worker_lost';
  ErrorData: {
    code: Schemas['ErrorCode'];
    message: string;
    partial: {
      parts: (Schemas['Part'])[];
      text: string;
    };
    retry_after: number | null;
    retryable: boolean;
    trace_id: string | null;
    /** Milliseconds since 1970, UTC. */
    ts: number;
  };
  ErrorEvent: {
    data: Schemas['ErrorData'];
    event: 'error';
    /** <attempt>-<seq>; the cursor behind this event. */
    id?: string;
  };
  ErrorKind: 'auth' | 'failed' | 'gone' | 'interrupted' | 'invalid' | 'limited' | 'unavailable';
  Event: Schemas['StageEvent'] | Schemas['StatusEvent'] | Schemas['ResponseChunkEvent'] | Schemas['ActionEvent'] | Schemas['CompleteEvent'] | Schemas['ErrorEvent'];
  File: string;
  /** What is wrong with one place of the input; the input itself is never told. */
  Finding: {
    loc: (string | number)[];
    msg: string;
    type: string;
  };
  Html: string;
  /** A record without its result. */
  ListedRecord: {
    /** Milliseconds since 1970, UTC. */
    created_at: number;
    /** Milliseconds since 1970, UTC. */
    expires_at: number;
    /** <attempt>-<seq>; the cursor behind this event. */
    last_event_id: string;
    mode: string;
    pending_actions: (Schemas['PendingAction'])[];
    prompt: string;
    /** <YYYYMMDDThhmmssmmmZ>-<uuid4> */
    request_id: string;
    status: 'accepted' | 'running' | 'waiting_action' | 'recovering' | 'cancelling' | 'completed' | 'cancelled' | 'failed';
    track_id: string | null;
    viewers: number;
  };
  /** Prometheus text format. */
  Metrics: string;
  /** The parts of `context` that the built-in modes understand; other keys are yours. */
  ModeContext: {
    /** Names of the actions that the page can run. */
    actions?: (string)[];
    /** What `edit` works on. */
    content?: string;
    history?: (Schemas['Turn'])[];
  };
  /** The JSON form of a stream; `closed` says that nothing follows this page. */
  Page: {
    closed: boolean;
    events: (Schemas['Event'])[];
    /** The cursor to come back with. */
    next: string;
    notices: (Schemas['StatusData'])[];
  };
  Part: {
    index: number;
    kind?: string;
    language?: string;
    part: 'text' | 'reasoning' | 'appendix';
    text: string;
    title?: string;
    url?: string;
  };
  PendingAction: {
    action_id: string;
    /** Validated by the server; see ActionArgs. */
    args: Record<string, unknown>;
    /** Milliseconds since 1970, UTC. */
    expires_at: number;
    name: string;
    phase: 'proposed' | 'claimed' | 'resolved' | 'expired';
    /** Milliseconds since 1970, UTC. */
    ts: number;
    wants: 'nothing' | 'result' | 'approval';
  };
  /** RFC 9457 problem details. */
  Problem: {
    code: Schemas['ErrorCode'];
    detail: string;
    errors?: (Schemas['Finding'])[];
    kind: Schemas['ErrorKind'];
    limit?: number;
    mode?: string;
    retry_after?: number;
    retryable: boolean;
    scope?: 'active' | 'rate';
    status: number;
    title: string;
    type: string;
  };
  Ready: {
    status: 'ready';
  };
  /** `result` is the end's data, null before it. */
  Record: {
    /** Milliseconds since 1970, UTC. */
    created_at: number;
    /** Milliseconds since 1970, UTC. */
    expires_at: number;
    /** <attempt>-<seq>; the cursor behind this event. */
    last_event_id: string;
    mode: string;
    pending_actions: (Schemas['PendingAction'])[];
    prompt: string;
    /** <YYYYMMDDThhmmssmmmZ>-<uuid4> */
    request_id: string;
    result: Schemas['CompleteData'] | Schemas['ErrorData'] | null;
    status: 'accepted' | 'running' | 'waiting_action' | 'recovering' | 'cancelling' | 'completed' | 'cancelled' | 'failed';
    track_id: string | null;
    usage: Schemas['Usage'];
    viewers: number;
  };
  RecordOrPage: Schemas['Record'] | Schemas['Page'];
  Records: {
    requests: (Schemas['ListedRecord'])[];
  };
  ResponseChunkData: {
    index: number;
    kind?: string;
    language?: string;
    part: 'text' | 'reasoning' | 'appendix';
    text: string;
    title?: string;
    /** Milliseconds since 1970, UTC. */
    ts: number;
    url?: string;
  };
  ResponseChunkEvent: {
    data: Schemas['ResponseChunkData'];
    event: 'response_chunk';
    /** <attempt>-<seq>; the cursor behind this event. */
    id?: string;
  };
  /** What became of an action. `claim`, when given, must be the one that took it. */
  ResultReply: {
    claim?: string | null;
    status: 'ok' | 'error' | 'denied';
    value?: unknown;
  };
  Session: {
    access_token: string;
    /** Seconds. */
    expires_in: number;
    token_type: 'Bearer';
    user_id: string;
  };
  StageData: {
    detail?: string;
    index?: number;
    label: string;
    progress?: number;
    stage: string;
    state: 'started' | 'finished' | 'failed' | 'skipped';
    total?: number;
    /** Milliseconds since 1970, UTC. */
    ts: number;
  };
  StageEvent: {
    data: Schemas['StageData'];
    event: 'stage';
    /** <attempt>-<seq>; the cursor behind this event. */
    id?: string;
  };
  /** Without an id it is a notice for one connection: reset, draining or closing. */
  StatusData: {
    reason?: string;
    state: 'accepted' | 'running' | 'waiting_action' | 'recovering' | 'cancelling' | 'reset' | 'draining' | 'closing';
    /** Milliseconds since 1970, UTC. */
    ts: number;
  };
  StatusEvent: {
    data: Schemas['StatusData'];
    event: 'status';
    /** <attempt>-<seq>; the cursor behind this event. */
    id?: string;
  };
  /** One earlier turn of a conversation. */
  Turn: {
    content: string;
    role: 'user' | 'assistant';
  };
  /** What the request has used; `viewers` have come in all. Tokens are told with a whole answer. */
  Usage: {
    bytes: number;
    /** Seconds, so far or in all. */
    duration: number;
    events: number;
    input_tokens: number | null;
    output_tokens: number | null;
    viewers: number;
  };
}
