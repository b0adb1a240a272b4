import { AssistantChatElement } from './element.tsx';

export type { AssistantChatElement } from './element.tsx';

// Loaded twice, by a page and by its template, it is still one element.
if (!customElements.get('assistant-chat')) customElements.define('assistant-chat', AssistantChatElement);
