import { terminalOf } from './decode.ts';
import { uuid } from './ids.ts';
import { type Answer, NEW_ANSWER, reduce } from './machine.ts';
import type { Mode, RequestRecord, Turn } from './types.ts';

/** One line of a conversation as it is shown. */
export type Message = UserMessage | AnswerMessage;

/** What a prompt is sent with, beside what the page gives; a retry sends the same. */
export interface SendWith {
  readonly mode?: Mode | undefined;
  /** The text that `edit` works on. */
  readonly content?: string | undefined;
}

export interface UserMessage extends SendWith {
  readonly role: 'user';
  readonly key: string;
  readonly text: string;
}

export interface AnswerMessage extends Answer {
  readonly role: 'assistant';
  readonly key: string;
}

/** The server takes 256 KiB and 2,000 keys of context; this leaves room for the page's own. UTF-16 units. */
const MAX_CHARS = 100_000;
const MAX_TURNS = 200;

/** The turns to send along: those with words in them, newest first when there is no room for all. */
export function historyOf(messages: readonly Message[]): Turn[] {
  const turns: Turn[] = [];
  let room = MAX_CHARS;
  for (const { role, text: content } of messages.toReversed()) {
    room -= content.length;
    if (room < 0 || turns.length === MAX_TURNS) break;
    if (content !== '') turns.unshift({ role, content });
  }
  return turns;
}

/** A turn of the page's own store, as it is shown. */
export function messageOf({ role, content }: Turn): Message {
  const key = uuid();
  if (role === 'user') return { role, key, text: content };
  const parts = [{ part: 'text', index: 0, text: content }];
  return { ...NEW_ANSWER, role, key, state: 'complete', text: content, parts };
}

/** A request the server remembers, as it is shown: the prompt, and as much of the answer as the record has. */
export function messagesOf(record: RequestRecord): [Message, AnswerMessage] {
  const answer: AnswerMessage = { ...NEW_ANSWER, role: 'assistant', key: uuid() };
  const accepted = reduce(answer, { type: 'accepted', requestId: record.request_id });
  const event = terminalOf(record);
  const state = event ? reduce(accepted, { type: 'event', event }) : accepted;
  return [
    { role: 'user', key: uuid(), text: record.prompt, mode: record.mode },
    { ...state, role: 'assistant', key: answer.key },
  ];
}

/** The page may have stored the prompt of the running request already: it is shown once. */
export function withoutPrompt(earlier: readonly Message[], prompt: Message | undefined): readonly Message[] {
  const last = earlier.at(-1);
  const same = last?.role === 'user' && prompt?.role === 'user' && last.text === prompt.text;
  return same ? earlier.slice(0, -1) : earlier;
}
