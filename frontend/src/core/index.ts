export type { ActionHandler, ActionHandlers } from './actions.ts';
export type { Schemas } from './api.ts';
export type { TokenProvider, TokenReason } from './auth.ts';
export {
  type AssistantClient,
  type CallOptions,
  createAssistantClient,
  type ListQuery,
  type RequestHandle,
  type SendOptions,
} from './client.ts';
export { Conversation, type ConversationOptions, type Snapshot } from './conversation.ts';
export { AssistantError, type ErrorCode, type ErrorKind, type FieldFault, type Stage } from './errors.ts';
export { interactWithAssistant, requestAssistant, streamAssistantResponse } from './functions.ts';
export type { AnswerMessage, Message, SendWith, UserMessage } from './history.ts';
export { type Answer, type AnswerState, canReconnect, isOver } from './machine.ts';
export type { ClientOptions } from './options.ts';
export type { RetryPolicy } from './retry.ts';
export type { Clock, Runtime } from './runtime.ts';
export type { AssistantStream, StreamOptions, StreamState, StreamStatus } from './stream.ts';
export type { Hooks, TraceEntry } from './trace.ts';
export { conversationId, newConversationId } from './track.ts';
export type * from './types.ts';
