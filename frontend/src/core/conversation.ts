import { ActionDesk, type ActionHandlers } from './actions.ts';
import { createFrameBuffer, type FrameBuffer, type Schedule } from './buffer.ts';
import type { AssistantClient } from './client.ts';
import type { AssistantError } from './errors.ts';
import {
  type AnswerMessage,
  historyOf,
  type Message,
  messageOf,
  messagesOf,
  type SendWith,
  withoutPrompt,
} from './history.ts';
import { uuid } from './ids.ts';
import { canReconnect, type Input, isOver, NEW_ANSWER, reduce } from './machine.ts';
import { type Stop, systemClock } from './runtime.ts';
import type { AssistantStream, StreamOptions } from './stream.ts';
import type { AssistantRequest, Mode, RequestContext, RequestRecord, Turn } from './types.ts';
import { browserWake, type Wake } from './wake.ts';

export interface ConversationOptions {
  client: AssistantClient;
  /** Of prompts that are sent without one; default `chat`. */
  mode?: Mode;
  trackId: string;
  /** Sent with each request; a function is called at each send. */
  context?: RequestContext | (() => RequestContext);
  /** What the page can do for the assistant, by name. */
  actions?: ActionHandlers | (() => ActionHandlers);
  /** Earlier turns, from the page's own store. */
  messages?: readonly Turn[];
  /** When to show what came; default: the next frame. */
  schedule?: Schedule;
  wake?: Wake;
}

export interface Snapshot {
  readonly messages: readonly Message[];
  /** Key of the answer that is being made; null when the next prompt may be sent. */
  readonly running: string | null;
}

interface Run {
  key: string;
  stream: AssistantStream;
  inputs: FrameBuffer<Input>;
}

/**
 * What one window shows: a list of messages, and one run at a time (more only when a reload finds
 * several). Has no DOM; React reads it as a store.
 */
export class Conversation {
  readonly #options: ConversationOptions;
  readonly #desk: ActionDesk;
  readonly #listeners = new Set<() => void>();
  readonly #cursors = new Map<string, string>();
  readonly #stopWake: Stop;
  #snapshot: Snapshot;
  readonly #runs = new Map<string, Run>();

  constructor(options: ConversationOptions) {
    this.#options = options;
    this.#desk = new ActionDesk(options.client, () => actionsOf(options.actions), systemClock);
    this.#snapshot = { messages: (options.messages ?? []).map(messageOf), running: null };
    this.#stopWake = (options.wake ?? browserWake)(() => this.reconnect());
  }

  readonly subscribe = (listener: () => void): Stop => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** The same object until something changes. */
  readonly getSnapshot = (): Snapshot => this.#snapshot;

  /** False when the prompt is empty or an answer is still being made. */
  send(prompt: string, { mode = this.#options.mode ?? 'chat', content }: SendWith = {}): boolean {
    if (prompt.trim() === '' || this.#runs.size > 0) return false;
    const request = this.#requestOf(prompt, mode, content);
    const key = uuid();
    const answer: AnswerMessage = { ...NEW_ANSWER, role: 'assistant', key };
    const said: Message = { role: 'user', key: uuid(), text: prompt, mode, content };
    this.#show([...this.#snapshot.messages, said, answer]);
    this.#follow(key, (callbacks) => this.#options.client.interactWithAssistant(request, callbacks));
    return true;
  }

  /** Freezes the view at once and stops what runs on the server. */
  stop(): void {
    for (const run of this.#runs.values()) {
      this.#dispatch(run, { type: 'stop' });
      // What goes wrong with the stop is told by `done`: the run ends as cancelled or as an error.
      run.stream.cancel().catch(() => {});
    }
  }

  /** Asks again: the answer and what came after it make room for a new one. */
  retry(answerKey: string): boolean {
    const at = this.#indexOf(answerKey);
    const prompt = this.#snapshot.messages[at - 1];
    return prompt?.role === 'user' ? this.edit(prompt.key, prompt.text) : false;
  }

  /** Sends another prompt in place of an earlier one, with what that one was sent with unless told otherwise. */
  edit(userKey: string, prompt: string, given?: SendWith): boolean {
    const at = this.#indexOf(userKey);
    const earlier = this.#snapshot.messages[at];
    if (earlier?.role !== 'user' || this.#runs.size > 0 || prompt.trim() === '') return false;
    this.#show(this.#snapshot.messages.slice(0, at));
    return this.send(prompt, given ?? earlier);
  }

  /** Takes up the last answer's stream where it was lost. */
  reconnect(): void {
    const last = this.#snapshot.messages.at(-1);
    if (last?.role !== 'assistant' || !canReconnect(last)) return;
    const { key, requestId, parts } = last;
    const lastEventId = this.#cursors.get(key) ?? '0';
    this.#change(key, [{ type: 'reconnect' }]);
    this.#join(key, requestId ?? '', { lastEventId, parts });
  }

  retryNow(): void {
    for (const { stream } of this.#runs.values()) stream.retryNow();
  }

  /** The user's answer to an action that wants approval; false when it came too late. */
  answer(actionId: string, approved: boolean, value?: unknown): Promise<boolean> {
    const requestId = this.#snapshot.messages.find((message) => hasAction(message, actionId))?.requestId;
    return requestId ? this.#desk.answer(requestId, actionId, approved, value) : Promise.resolve(false);
  }

  /** Brings back what the server still knows of this conversation, and follows what is running. */
  async resume(signal?: AbortSignal): Promise<void> {
    const { client, trackId, messages: given = [] } = this.#options;
    const calling = signal ? { signal } : {};
    // A page with its own store has what ended; only what runs is news to it.
    const query = given.length > 0 ? { track_id: trackId, state: 'active' as const } : { track_id: trackId };
    const records = (await client.list(query, calling)).toReversed();
    const whole = await Promise.all(records.map((record) => this.#whole(record, calling)));
    const known = new Set(
      this.#snapshot.messages.map((message) => ('requestId' in message ? message.requestId : '')),
    );
    const fresh = whole.filter((record) => !known.has(record.request_id));
    const restored = fresh.map((record) => ({ record, pair: messagesOf(record) }));
    const shown = this.#snapshot.messages;
    const earlier = Math.min(given.length, shown.length);
    const pairs = restored.flatMap(({ pair }) => pair);
    this.#show([...withoutPrompt(shown.slice(0, earlier), pairs[0]), ...pairs, ...shown.slice(earlier)]);
    for (const { record, pair } of restored) {
      if (!isOver(pair[1].state)) this.#join(pair[1].key, record.request_id);
    }
  }

  /** Stops listening; the run goes on at the server. */
  detach(): void {
    for (const run of this.#runs.values()) {
      run.stream.detach();
      run.inputs.clear();
    }
    this.#runs.clear();
    this.#desk.release();
    this.#stopWake();
  }

  #requestOf(prompt: string, mode: Mode, content: string | undefined): AssistantRequest {
    const { context, trackId } = this.#options;
    const given = typeof context === 'function' ? context() : context;
    const own = { history: historyOf(this.#snapshot.messages), actions: this.#desk.names() };
    const edited = content === undefined ? {} : { content };
    return { prompt, mode, track_id: trackId, context: { ...own, ...given, ...edited } };
  }

  /** A list may be brief; an ended request is shown with its result. */
  async #whole(record: RequestRecord, calling: { signal?: AbortSignal }): Promise<RequestRecord> {
    const ended = ['completed', 'cancelled', 'failed'].includes(record.status);
    if (!ended || record.result) return record;
    // One that is gone by now is shown as gone, and hides no other.
    return this.#options.client.status(record.request_id, calling).catch(() => record);
  }

  #join(key: string, requestId: string, from: Pick<StreamOptions, 'lastEventId' | 'parts'> = {}): void {
    const { client } = this.#options;
    this.#follow(key, (callbacks) => client.streamAssistantResponse(requestId, { ...callbacks, ...from }));
  }

  #follow(key: string, open: (callbacks: Callbacks) => AssistantStream): void {
    const inputs = createFrameBuffer<Input>((taken) => this.#change(key, taken), this.#options.schedule);
    let requestId = '';
    const stream = open({
      onEvent: (event) => {
        inputs.push({ type: 'event', event });
        if (event.event === 'action') void this.#desk.observe(requestId, event.data);
      },
      onState: (status) => this.#dispatch(run, { type: 'connection', status }),
    });
    const run: Run = { key, stream, inputs };
    this.#runs.set(key, run);
    this.#show(this.#snapshot.messages);
    stream.requestId.then(
      (id) => {
        requestId = id;
        this.#dispatch(run, { type: 'accepted', requestId: id });
      },
      () => {},
    );
    stream.done.then(
      () => this.#end(run),
      (error: AssistantError) => this.#end(run, { type: 'failed', error }),
    );
  }

  #end(run: Run, input?: Input): void {
    this.#cursors.set(run.key, run.stream.lastEventId);
    if (this.#runs.get(run.key) !== run) return;
    run.inputs.flush();
    this.#runs.delete(run.key);
    this.#change(run.key, input ? [input] : []);
  }

  /** Takes an input at once, after those that wait for the next frame. */
  #dispatch(run: Run, input: Input): void {
    if (this.#runs.get(run.key) !== run) return;
    run.inputs.flush();
    this.#change(run.key, [input]);
  }

  #change(key: string, inputs: readonly Input[]): void {
    const messages = this.#snapshot.messages.map((message) => {
      if (message.key !== key || message.role !== 'assistant') return message;
      const answer = inputs.reduce(reduce, message);
      return answer === message ? message : { ...answer, role: message.role, key };
    });
    this.#show(messages);
  }

  #show(messages: readonly Message[]): void {
    this.#snapshot = { messages, running: [...this.#runs.keys()].at(-1) ?? null };
    for (const listener of this.#listeners) listener();
  }

  #indexOf(key: string): number {
    return this.#snapshot.messages.findIndex((message) => message.key === key);
  }
}

type Callbacks = Required<Pick<StreamOptions, 'onEvent' | 'onState'>>;

function actionsOf(given: ConversationOptions['actions']): ActionHandlers {
  return (typeof given === 'function' ? given() : given) ?? {};
}

function hasAction(message: Message, actionId: string): message is AnswerMessage {
  return message.role === 'assistant' && message.actions.some((action) => action.action_id === actionId);
}
