import { createRef, Fragment, StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { createAssistantClient } from '../../src/core/index.ts';
import { type ChatControls, ChatWindow } from '../../src/react/index.ts';

/** The page that the browser tests open: a window filled from the address, and handles to look at it. */
const query = new URLSearchParams(location.search);
const controls = createRef<ChatControls>();
const ran: unknown[] = [];
const heard: string[] = [];
const actions = {
  insert_track: (args: Record<string, unknown>) => {
    ran.push(args);
    return { bar: 4 };
  },
};
Object.assign(globalThis, { chat: controls, ran, heard, root: document.body });

const theme = query.get('theme') as 'light' | 'dark' | null;
const Mode = query.has('strict') ? StrictMode : Fragment;
const client = createAssistantClient({ timeouts: { connect: 2_000 } });
createRoot(document.getElementById('root') as HTMLElement).render(
  <Mode>
    <ChatWindow
      client={client}
      trackId={query.get('track') ?? undefined}
      actions={query.has('actions') ? actions : {}}
      theme={theme ?? 'light'}
      modes={query.get('modes')?.split(' ')}
      label={query.get('label') ?? undefined}
      header={query.get('header') !== 'false'}
      suggestions={query.get('suggestions') !== 'false'}
      controls={controls}
      onSignIn={() => heard.push('sign-in')}
      onMessage={(answer) => heard.push(`message ${answer.text}`)}
      onError={(error) => heard.push(`error ${error.code}`)}
      onAction={(action) => heard.push(`action ${action.phase}`)}
      onState={(state) => heard.push(`state ${state}`)}
      messages={JSON.parse(query.get('messages') ?? '[]')}
    />
  </Mode>,
);
