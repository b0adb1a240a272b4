import '../../src/element/index.ts';

/** The same page as page.tsx, made of the element. */
const query = new URLSearchParams(location.search);
const ran: unknown[] = [];
const heard: string[] = [];
const chat = document.createElement('assistant-chat');

chat.setAttribute('theme', query.get('theme') ?? 'light');
for (const name of ['modes', 'label', 'header', 'devtools', 'suggestions']) {
  const value = query.get(name);
  if (value !== null) chat.setAttribute(name, value);
}
const track = query.get('track');
if (track) chat.setAttribute('track-id', track);
if (query.has('actions')) {
  chat.actions.insert_track = (args) => {
    ran.push(args);
    return { bar: 4 };
  };
}
chat.messages = JSON.parse(query.get('messages') ?? '[]');
chat.addEventListener('assistant-message', (event) =>
  heard.push(`message ${(event as CustomEvent).detail.text}`),
);
chat.addEventListener('assistant-error', (event) =>
  heard.push(`error ${(event as CustomEvent).detail.code}`),
);
chat.addEventListener('assistant-action', (event) =>
  heard.push(`action ${(event as CustomEvent).detail.phase}`),
);
chat.addEventListener('assistant-state', (event) => heard.push(`state ${(event as CustomEvent).detail}`));
document.getElementById('root')?.append(chat);
Object.assign(globalThis, { chat, ran, heard, root: chat.shadowRoot });
