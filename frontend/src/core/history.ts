import type { Answer } from './machine.ts';
import type { Turn } from './types.ts';

/** One line of a conversation as it is shown. */
export type Message = UserMessage | AnswerMessage;

export interface UserMessage {
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
