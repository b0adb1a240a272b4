import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ChatPage } from '../support/chat-page.ts';
import type { Fault, Run } from '../support/fault-server.ts';

/** Where the window is, in the page: the body, or a shadow root. */
declare const root: ParentNode & Node;

let chat: ChatPage;
beforeAll(async () => {
  chat = await ChatPage.start();
});
afterAll(() => chat.close());
afterEach(() => {
  expect(chat.errors).toEqual([]);
});

/** Answers when the test says so. */
const wait = () => {};
const whole = (text: string) => (run: Run) => {
  run.chunk(text);
  run.complete();
};

describe('an answer', () => {
  it('is shown as it comes, and says where it stands', async () => {
    chat.answer = wait;
    await chat.open();

    await chat.send('Hi');
    await chat.state('waiting');
    expect(await chat.page.locator('.assistant-working').textContent()).toBe('Answering');
    const run = await chat.run();
    run.stage('drafting', 'Drafting the chords');
    await chat.page.getByText('Drafting the chords').waitFor();
    run.chunk('Take **the');
    await chat.state('streaming');
    expect(await chat.answered.locator('strong').textContent()).toBe('the');
    run.chunk(' chord**.');
    run.complete();
    await chat.state('complete');

    expect(await chat.answered.locator('.assistant-markdown').textContent()).toBe('Take the chord.');
    expect(await chat.answered.getAttribute('data-request-id')).toBe(run.id);
    expect(await chat.page.getByRole('status').textContent()).toBe('Answer complete, 3 words');
    expect(await chat.page.evaluate('heard')).toEqual(
      ['sending', 'waiting', 'streaming', 'complete']
        .map((state) => `state ${state}`)
        .concat('message Take **the chord**.'),
    );
  });

  it('shows within 100 ms of the send that it is being made', async () => {
    chat.answer = wait;
    await chat.open();
    await chat.input.fill('Hi');

    const ms = await chat.page.evaluate(async () => {
      const began = performance.now();
      (root.querySelector('form') as HTMLFormElement).requestSubmit();
      while (!root.querySelector('.assistant-working')) {
        if (performance.now() - began > 5_000) throw new Error('never shown');
        await new Promise(requestAnimationFrame);
      }
      return performance.now() - began;
    });

    expect(ms).toBeLessThan(100);
  });

  it('keeps code nodes while it streams, with language, copy and a scroll of their own', async () => {
    chat.answer = wait;
    await chat.open();
    await chat.page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await chat.send('Hi');
    const run = await chat.run();
    run.chunk('Look:\n\n```python\nx = 1\n');
    await chat.page.locator('pre').waitFor();
    await chat.page.evaluate(() => Object.assign(globalThis, { kept: root.querySelector('pre') }));

    run.chunk(`y = "${'long '.repeat(200)}"\n\`\`\`\n\nThe end.`);
    run.complete();
    await chat.state('complete');

    expect(
      await chat.page.evaluate(
        () => root.querySelector('pre') === (globalThis as never as { kept: unknown }).kept,
      ),
    ).toBe(true);
    expect(await chat.page.locator('figcaption span').textContent()).toBe('python');
    expect(await chat.page.locator('pre').evaluate((pre) => pre.scrollWidth > pre.clientWidth)).toBe(true);
    await chat.button('Copy code').click();
    await chat.button('Copied').waitFor();
    expect(await chat.page.evaluate(() => navigator.clipboard.readText())).toMatch(/^x = 1\ny = "long /);
  });

  it('has its appendices below, in order and closable, and its reasoning closed above', async () => {
    chat.answer = (run) => {
      run.chunk('Because.', { part: 'reasoning', index: 0 });
      run.chunk('The answer.', { index: 1 });
      run.chunk('x = 1', { part: 'appendix', index: 2, kind: 'code', language: 'abc', title: 'Notes' });
      run.chunk('A **book**', { part: 'appendix', index: 3, kind: 'citation', url: 'https://a.test/b' });
      run.complete();
    };
    await chat.open();

    await chat.send('Hi');
    await chat.state('complete');

    expect(await chat.answered.locator('summary').allTextContents()).toEqual([
      'Reasoning',
      'Notes',
      'Source',
    ]);
    expect(await chat.answered.locator('details[open]').count()).toBe(2);
    expect(await chat.answered.locator('.assistant-appendix a').getAttribute('href')).toBe(
      'https://a.test/b',
    );
    await chat.answered.locator('summary', { hasText: 'Notes' }).click();
    expect(await chat.answered.locator('details[open]').count()).toBe(1);
  });

  it('shows a file as it is, with its name and where to get it, and no empty box for one that only has an address', async () => {
    chat.answer = (run) => {
      run.chunk('Here.');
      const file = { part: 'appendix', kind: 'file' };
      run.chunk('# not a *heading*', {
        ...file,
        index: 1,
        title: 'notes.md',
        url: 'https://a.test/notes.md',
      });
      run.chunk('', { ...file, index: 2, title: 'song.mid', url: 'https://a.test/song.mid' });
      run.complete();
    };
    await chat.open();

    await chat.send('Hi');
    await chat.state('complete');

    const [notes, song] = await chat.answered.locator('[data-kind="file"]').all();
    expect(await notes?.locator('pre').textContent()).toBe('# not a *heading*');
    expect(await notes?.locator('summary svg').count()).toBe(1);
    expect(await song?.locator('a').getAttribute('href')).toBe('https://a.test/song.mid');
    expect(await song?.locator('figure, .assistant-markdown').count()).toBe(0);
  });

  it('that has nothing to show says so', async () => {
    chat.answer = (run) => run.complete();
    await chat.open();
    await chat.send('Hi');
    await chat.state('complete');
    expect(await chat.answered.locator('.assistant-note').textContent()).toBe('This answer has no text.');

    chat.answer = whole('Words.');
    await chat.send('Again');
    await chat.state('complete');

    expect(await chat.answered.locator('.assistant-note').count()).toBe(0);
  });
});

describe('stopping', () => {
  it.each(['Escape', 'button'])(
    'by %s freezes within 100 ms, keeps the text and offers another try',
    async (how) => {
      chat.answer = (run) => run.chunk('Half an answer');
      await chat.open();
      await chat.send('Hi');
      await chat.page.getByText('Half an answer').waitFor();
      await chat.input.fill('a draft');

      const began = Date.now();
      if (how === 'Escape') await chat.input.press('Escape');
      else await chat.button('Stop').click();
      await chat.page.locator('[data-state=stopping], [data-state=cancelled]').waitFor();
      expect(Date.now() - began).toBeLessThan(400);
      await chat.state('cancelled');

      expect(await chat.answered.textContent()).toContain('Half an answer');
      expect(await chat.input.inputValue()).toBe('a draft');
      chat.answer = whole('Whole');
      await chat.button('Try again').click();
      await chat.page.getByText('Whole').waitFor();
      expect(await chat.page.locator('[data-role=user]').count()).toBe(1);
    },
  );

  const busy = { kind: 'answer', status: 503, headers: { 'Retry-After': '30' } } as const;
  it('by Escape works for an answer that was asked for again', async () => {
    await chat.open();
    await chat.send('Hi');
    await chat.state('complete');
    chat.answer = (run) => run.chunk('Half an answer');
    await chat.button('Try again').click();
    await chat.page.getByText('Half an answer').waitFor();

    await chat.page.keyboard.press('Escape');

    await chat.state('cancelled');
  });

  it.each([
    ['waiting', [], ''],
    ['streaming', [], 'Half'],
    ['reconnecting', [{ kind: 'cut', after: { events: 1 }, how: 'fin' }, busy], ''],
  ] as [string, Fault[], string][])('works while %s', async (state, faults, text) => {
    chat.answer = (run) => {
      if (text) run.chunk(text);
    };
    await chat.open();
    chat.server.faults.push(...faults);
    await chat.send('Hi');
    await chat.state(state);

    await chat.input.press('Escape');
    await chat.state('cancelled');

    expect(chat.server.count('DELETE')).toBe(1);
    expect((await chat.run()).status).toBe('cancelled');
    expect(await chat.page.getByRole('status').textContent()).toBe('Stopped');
  });

  it('works before the POST is answered', async () => {
    chat.answer = wait;
    const page = await chat.open();
    let letGo = () => {};
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    await page.route('**/assistant/request', async (route) => {
      await held;
      await route.continue();
    });
    await chat.send('Hi');
    await chat.state('sending');

    await chat.input.press('Escape');
    await chat.state('stopping');
    letGo();
    await chat.state('cancelled');

    expect((await chat.run()).status).toBe('cancelled');
  });

  it('works from a second tab, and after a reload', async () => {
    chat.answer = (run) => run.chunk('Half');
    const page = await chat.open('track=t1');
    await chat.send('Hi');
    await page.getByText('Half').waitFor();
    const second = await page.context().newPage();
    await second.goto(page.url());

    await second.getByRole('button', { name: 'Stop', exact: true }).click();
    await chat.state('cancelled');

    await second.locator('[data-state=cancelled]').waitFor();
    const texts = await Promise.all(
      [page, second].map((tab) => tab.locator('.assistant-markdown').last().textContent()),
    );
    expect(texts).toEqual(['Half', 'Half']);
  });
});

describe('a reload', () => {
  it('in mid-answer brings prompt and text back within a second, without a POST', async () => {
    chat.answer = (run) => run.chunk('Half an answer');
    const page = await chat.open();
    await chat.send('A prompt');
    await page.getByText('Half an answer').waitFor();
    const run = await chat.run();

    await page.reload();
    const began = Date.now();
    await page.getByText('A prompt').waitFor();
    await page.getByText('Half an answer').waitFor();
    expect(Date.now() - began).toBeLessThan(1_000);
    run.chunk(', now whole');
    run.complete();
    await chat.state('complete');

    expect(await chat.answered.locator('.assistant-markdown').textContent()).toBe(
      'Half an answer, now whole',
    );
    expect(chat.server.count('POST /request')).toBe(1);
    expect(await page.evaluate(() => JSON.stringify({ ...sessionStorage, ...localStorage }))).not.toMatch(
      /prompt|answer/i,
    );
  });
});

describe('a lost connection', () => {
  it('that is mended soon shows nothing', async () => {
    chat.answer = (run) => run.chunk('One');
    await chat.open();
    chat.server.faults.push({ kind: 'cut', after: { events: 2 }, how: 'rst' });
    await chat.send('Hi');
    const run = await chat.run();
    await chat.page.getByText('One').waitFor();

    run.chunk(' two');
    await chat.page.getByText('One two').waitFor();

    expect(await chat.page.locator('.assistant-banner').count()).toBe(0);
    run.complete();
    await chat.state('complete');
  });

  it('that lasts shows a banner, keeps the text, and is tried at once on request', async () => {
    chat.answer = (run) => run.chunk('Half');
    await chat.open();
    const down = { kind: 'answer', status: 503, code: 'draining', headers: { 'Retry-After': '30' } } as const;
    chat.server.faults.push({ kind: 'cut', after: { events: 3 }, how: 'fin' }, down);
    await chat.send('Hi');
    await chat.page.getByText('Half').waitFor();
    (await chat.run()).stage('drafting', 'Drafting');

    await chat.page.getByText(/Reconnecting \(try \d\)/).waitFor();
    expect(await chat.answered.textContent()).toContain('Half');
    (await chat.run()).complete();
    await chat.button('Retry now').click();

    await chat.state('complete');
    expect(await chat.page.locator('.assistant-banner').count()).toBe(0);
  });
});

describe('an error', () => {
  const offers = [
    ['invalid_request', 400, 'This message cannot be answered as it is.', 'Edit'],
    ['unauthorized', 403, 'You need to sign in to go on.', 'Sign in'],
    ['too_many_active', 429, 'That was a little fast.', 'Try again'],
    ['server_full', 503, 'The assistant is not available right now.', 'Try again'],
    ['internal', 500, 'Something went wrong while answering.', 'Try again'],
  ] as const;

  it.each(offers)('%s has its own sentence and its own way out', async (code, status, sentence, offer) => {
    await chat.open();
    chat.server.refusals.push({ status, code });

    await chat.send('My prompt');

    await chat.answered.getByText(sentence).waitFor();
    await chat.answered.getByRole('button', { name: offer, exact: true }).waitFor();
    expect(await chat.page.evaluate('heard')).toContain(`error ${code}`);
  });

  it('of a run keeps what had arrived, and gives the id to copy', async () => {
    chat.answer = (run) => {
      run.chunk('Half');
      run.fail('handler_failed');
    };
    await chat.open();

    await chat.send('Hi');

    await chat.answered.getByText('Something went wrong while answering.').waitFor();
    expect(await chat.answered.textContent()).toContain('Half');
    expect(await chat.answered.locator('.assistant-error').getByRole('button').allTextContents()).toEqual([
      'Try again',
      'Copy id',
    ]);
  });

  it('429 counts down, and the composer stays open', async () => {
    chat.answer = whole('Now');
    await chat.open();
    chat.server.refusals.push({ status: 429, code: 'rate_limited', retryAfter: 2 });
    await chat.send('Hi');

    await chat.page.getByText(/You can try again in [12] s/).waitFor();
    expect(await chat.answered.getByRole('button', { name: 'Try again' }).isDisabled()).toBe(true);
    await chat.input.fill('still writing');
    await chat.page.locator('.assistant-countdown').waitFor({ state: 'detached' });
    await chat.answered.getByRole('button', { name: 'Try again' }).click();

    await chat.page.getByText('Now').waitFor();
    expect(await chat.input.inputValue()).toBe('still writing');
  });
});

describe('the keyboard', () => {
  it('Enter sends, Shift+Enter breaks the line, and an input method keeps its Enter', async () => {
    chat.answer = whole('Hello');
    await chat.open();
    await chat.input.fill('one');
    await chat.input.press('Shift+Enter');
    await chat.input.pressSequentially('two');

    for (const init of [{ isComposing: true }, { keyCode: 229 }]) {
      const event = { key: 'Enter', bubbles: true, cancelable: true, ...init };
      await chat.input.evaluate(
        (input, given) => input.dispatchEvent(new KeyboardEvent('keydown', given)),
        event,
      );
    }
    expect(await chat.page.locator('[data-role=user]').count()).toBe(0);
    await chat.input.press('Enter');

    await chat.page.getByText('Hello').waitFor();
    expect(await chat.page.locator('.assistant-prompt').textContent()).toBe('one\ntwo');
    expect(await chat.input.inputValue()).toBe('');
  });

  it('Up takes the last message back, Escape leaves it, Enter sends it again', async () => {
    chat.answer = whole('First');
    await chat.open();
    await chat.send('one');
    await chat.page.getByText('First').waitFor();

    await chat.input.press('ArrowUp');
    expect(await chat.input.inputValue()).toBe('one');
    await chat.input.press('Escape');
    expect(await chat.input.inputValue()).toBe('');
    await chat.input.press('ArrowUp');
    chat.answer = whole('Second');
    await chat.input.pressSequentially(' more');
    await chat.input.press('Enter');

    await chat.page.getByText('Second').waitFor();
    expect(await chat.page.locator('.assistant-prompt').allTextContents()).toEqual(['one more']);
  });

  it('while an answer is made Send is Stop, and the draft stays', async () => {
    chat.answer = wait;
    await chat.open();
    await chat.send('one');
    await chat.state('waiting');

    await chat.send('two');

    expect(await chat.button('Send').count()).toBe(0);
    expect(await chat.input.inputValue()).toBe('two');
    expect(chat.server.count('POST /request')).toBe(1);
  });
});

describe('actions', () => {
  const propose = (wants: string) => (run: Run) => {
    run.onReply = (_id, status, value) => {
      run.chunk(`Got ${status} ${JSON.stringify(value) ?? ''}`);
      run.complete();
    };
    run.propose({ action_id: 'a1', name: 'insert_track', args: { bpm: 120 }, wants });
  };

  it('run once, with two tabs open, and their value reaches the run', async () => {
    chat.answer = wait;
    const page = await chat.open('track=t2&actions');
    await chat.send('Hi');
    const second = await page.context().newPage();
    await second.goto(page.url());
    await second.locator('[data-state=waiting]').waitFor();

    propose('result')(await chat.run());
    await chat.page.getByText('Got ok {"bar":4}').waitFor();
    await second.getByText('Got ok').waitFor();

    const ran = await Promise.all([page, second].map((tab) => tab.evaluate('ran')));
    expect(ran.flat()).toEqual([{ bpm: 120 }]);
    expect((await chat.run()).body.context?.actions).toEqual(['suggest_prompts', 'insert_track']);
  });

  it('do not run again after a reload', async () => {
    chat.answer = propose('result');
    const page = await chat.open('track=t3&actions');
    await chat.send('Hi');
    await page.getByText('Got ok').waitFor();

    await page.reload();
    await page.getByText('Got ok').waitFor();

    expect(await page.evaluate('ran')).toEqual([]);
  });

  it('that need approval show a card', async () => {
    chat.answer = propose('approval');
    await chat.open('actions');
    await chat.send('Hi');

    await chat.page.getByText('The assistant asks to run insert_track').waitFor();
    expect(await chat.page.locator('fieldset pre').textContent()).toContain('"bpm": 120');
    await chat.button('Approve').click();

    await chat.page.getByText('Got ok').waitFor();
    expect(await chat.page.locator('fieldset').count()).toBe(0);
  });

  it('that nobody knows are denied', async () => {
    chat.answer = propose('result');
    await chat.open();

    await chat.send('Hi');

    await chat.page.getByText('Got denied').waitFor();
  });
});

describe('a plain http page', () => {
  it('works without a secure context: ids, storage and copying', async () => {
    chat.answer = whole('```\ncopied text\n```');
    await chat.open('', { host: 'plain.test' });
    expect(
      await chat.page.evaluate(() => [isSecureContext, typeof crypto.randomUUID, typeof navigator.clipboard]),
    ).toEqual([false, 'undefined', 'undefined']);

    await chat.send('Hi');
    await chat.state('complete');
    await chat.button('Copy code').click();
    await chat.button('Copied').waitFor();
    await chat.input.press('Control+V');

    expect(await chat.input.inputValue()).toBe('copied text');
  });
});

describe('earlier messages', () => {
  it('from the page come first, and old ones wait behind a button', async () => {
    chat.answer = whole('Hello');
    const messages = Array.from({ length: 70 }, (_, at) => ({
      role: at % 2 ? 'assistant' : 'user',
      content: `turn ${at}`,
    }));
    await chat.open(`messages=${encodeURIComponent(JSON.stringify(messages))}`);

    expect(await chat.page.locator('article').count()).toBe(60);
    await chat.log.hover(); // as a reader gets there: one who does not scroll is kept at the end
    await chat.page.mouse.wheel(0, -100_000);
    await chat.page.locator('[role=log][data-pinned=false]').waitFor();
    await chat.button('Show earlier').click();
    await chat.page.getByText('turn 0', { exact: true }).waitFor();
    expect(await chat.page.locator('article').count()).toBe(70);
    await chat.send('more');

    await chat.page.getByText('Hello').waitFor();
    expect((await chat.run()).body.context?.history).toHaveLength(70);
  });
});
