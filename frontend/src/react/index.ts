export { type ChatControls, ChatWindow, type ChatWindowProps } from './ChatWindow.tsx';
export {
  type ConversationHandle,
  type UseConversationOptions,
  useConversation,
} from './hooks/useConversation.ts';
export type { Notifications } from './hooks/useNotify.ts';
export { en, type Strings } from './i18n/en.ts';
export { Markdown, type MarkdownProps } from './markdown/Markdown.tsx';
export type { Example } from './parts/EmptyState.tsx';
