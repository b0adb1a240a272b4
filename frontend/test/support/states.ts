import type { ChatPage } from './chat-page.ts';

const PROMPT = 'Which chords fit a slow song in D minor, and how would I play them on a guitar?';

export const ANSWER = `A slow song in **D minor** lives on a few chords that share notes. These four carry most of them:

| Chord | Notes | Feels |
|---|---|---|
| Dm | D F A | home |
| Bb | Bb D F | wide |
| Gm | G Bb D | dark |
| A7 | A C# E G | leads back |

## How to play it

1. Begin with \`Dm\` and let it ring.
2. Go to *Bb*, then \`Gm\`: see [the circle of fifths](https://example.org/fifths).
3. End each verse on A7.

\`\`\`python
progression = ["Dm", "Bb", "Gm", "A7"]
for bar, chord in enumerate(progression, start=1):
    print(f"bar {bar}: {chord}")
\`\`\`

> Leave space between the changes.

- [x] Tune to 440 Hz
- [ ] Record a click at 72 bpm`;

const down = { kind: 'answer', status: 503, headers: { 'Retry-After': '30' } } as const;

const refused = (status: number, code: string, retryAfter?: number) => async (chat: ChatPage) => {
  chat.server.refusals.push({ status, code, ...(retryAfter ? { retryAfter } : {}) });
  await chat.send(PROMPT);
  await chat.page.locator('.assistant-error').waitFor();
};

const failed =
  (code: string, text = 'Take D minor first, and') =>
  async (chat: ChatPage) => {
    chat.answer = (run) => {
      run.chunk(text);
      run.fail(code);
    };
    await chat.send(PROMPT);
    await chat.page.locator('.assistant-error').waitFor();
  };

/** The window in each of its states; the page is open and empty before. */
export const STATES: Record<string, (chat: ChatPage) => Promise<void>> = {
  empty: async () => {},
  sending: async (chat) => {
    await chat.page.route('**/assistant/request', () => {});
    await chat.send(PROMPT);
    await chat.state('sending');
  },
  waiting: async (chat) => {
    chat.answer = (run) =>
      run.append('stage', { stage: 's', label: 'Reading the notes', state: 'started', index: 1, total: 2 });
    await chat.send(PROMPT);
    await chat.page.getByText('Reading the notes').waitFor();
  },
  streaming: async (chat) => {
    chat.answer = (run) => run.chunk(ANSWER.slice(0, 260));
    await chat.send(PROMPT);
    await chat.state('streaming');
  },
  code: async (chat) => {
    chat.answer = (run) => {
      run.chunk(ANSWER);
      run.complete();
    };
    await chat.send(PROMPT);
    await chat.state('complete');
  },
  appendix: async (chat) => {
    chat.answer = (run) => {
      run.chunk('They ask for a slow song, so few changes.', { part: 'reasoning', index: 0 });
      run.chunk('I wrote the progression down, and where it is from.', { index: 1 });
      const code = 'progression = ["Dm", "Bb", "Gm", "A7"]\n';
      run.chunk(code, {
        part: 'appendix',
        index: 2,
        kind: 'code',
        language: 'python',
        title: 'progression.py',
      });
      run.chunk('| Bar | Chord |\n|---|---|\n| 1 | Dm |\n| 2 | Bb |', {
        part: 'appendix',
        index: 3,
        kind: 'table',
        title: 'Bars',
      });
      run.chunk('Where the order of the keys is explained.', {
        part: 'appendix',
        index: 4,
        kind: 'citation',
        title: 'The circle of fifths',
        url: 'https://example.org/fifths',
      });
      run.chunk('', {
        part: 'appendix',
        index: 5,
        kind: 'file',
        title: 'progression.mid',
        url: 'https://example.org/progression.mid',
      });
      run.complete();
    };
    await chat.send(PROMPT);
    await chat.state('complete');
    await chat.button('Details').click();
  },
  action: async (chat) => {
    chat.answer = (run) => {
      run.chunk('I put the track in.');
      run.append('action', {
        action_id: 'a1',
        name: 'insert_track',
        args: { bpm: 72 },
        phase: 'resolved',
        wants: 'result',
        status: 'ok',
      });
      run.append('action', {
        action_id: 'a2',
        name: 'play',
        args: {},
        phase: 'resolved',
        wants: 'result',
        status: 'denied',
      });
      run.append('action', {
        action_id: 'a3',
        name: 'suggest_prompts',
        args: { prompts: ['Make it slower', 'Add a bridge', 'Which strumming fits?'] },
        phase: 'claimed',
        wants: 'nothing',
      });
      run.complete();
    };
    await chat.send(PROMPT);
    await chat.state('complete');
  },
  approval: async (chat) => {
    chat.answer = (run) => {
      run.chunk('Shall I put it into your song?');
      run.propose({
        action_id: 'a1',
        name: 'insert_track',
        args: { bpm: 72, chords: ['Dm', 'Bb'] },
        wants: 'approval',
        expires_at: Date.now() + 90_000,
      });
    };
    await chat.send(PROMPT);
    await chat.page.locator('fieldset.assistant-action').waitFor();
  },
  reconnecting: async (chat) => {
    chat.answer = (run) => run.chunk(ANSWER.slice(0, 260));
    chat.server.faults.push({ kind: 'cut', after: { events: 3 }, how: 'fin' }, down);
    await chat.send(PROMPT);
    await chat.state('streaming');
    (await chat.run()).stage('s', 'Reading the notes');
    await chat.page.locator('.assistant-banner').waitFor();
  },
  stopping: async (chat) => {
    await chat.page.route('**/assistant/request/*', () => {});
    chat.answer = (run) => run.chunk('Take D minor first, and');
    await chat.send(PROMPT);
    await chat.state('streaming');
    await chat.input.press('Escape');
    await chat.state('stopping');
  },
  cancelled: async (chat) => {
    chat.answer = (run) => run.chunk('Take D minor first, and');
    await chat.send(PROMPT);
    await chat.state('streaming');
    await chat.input.press('Escape');
    await chat.state('cancelled');
  },
  editing: async (chat) => {
    chat.answer = (run) => run.complete();
    await chat.send(PROMPT);
    await chat.state('complete');
    await chat.input.press('ArrowUp');
  },
  document: async (chat) => {
    await chat.page.getByLabel('Mode').selectOption('edit');
    await chat.page.getByLabel('Text to edit').fill('pear\napple\nfig');
    await chat.input.fill('Sort the lines');
  },
  'error-invalid': refused(400, 'invalid_request'),
  'error-auth': refused(403, 'unauthorized'),
  'error-gone': async (chat) => {
    chat.answer = () => {};
    chat.server.faults.push({ kind: 'answer', status: 410, code: 'gone' });
    await chat.send(PROMPT);
    await chat.page.locator('.assistant-error').waitFor();
  },
  'error-limited': refused(429, 'rate_limited', 42),
  'error-unavailable': refused(503, 'server_full'),
  'error-interrupted': failed('worker_lost'),
  'error-failed': failed('handler_failed'),
  'error-network': async (chat) => {
    await chat.page.route('**/assistant/**', (route) => route.abort());
    await chat.send(PROMPT);
    await chat.page.locator('.assistant-error').waitFor();
  },
  'error-protocol': async (chat) => {
    chat.answer = () => {};
    chat.server.faults.push({
      kind: 'answer',
      status: 200,
      body: '<html>',
      headers: { 'Content-Type': 'text/html' },
    });
    await chat.send(PROMPT);
    await chat.page.locator('.assistant-error').waitFor();
  },
};

/** The query for a window that allows all three modes, as the start page does. */
export const ALL_MODES = 'modes=chat+generate+edit';
