import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { ChatPage } from '../support/chat-page.ts';
import type { Run } from '../support/fault-server.ts';
import { ALL_MODES } from '../support/states.ts';

let chat: ChatPage;
beforeAll(async () => {
  chat = await ChatPage.start();
});
afterAll(() => chat.close());
afterEach(() => {
  expect(chat.errors).toEqual([]);
});

const whole = (text: string) => (run: Run) => {
  run.chunk(text);
  run.complete();
};
const connection = (state: string) => chat.page.locator(`[data-connection=${state}]`).waitFor();

describe('an empty window', () => {
  it('offers a prompt for each mode, and sends it with its mode and its text', async () => {
    chat.answer = whole('Sorted');
    const page = await chat.open(ALL_MODES);
    expect(await page.locator('.assistant-example small').allTextContents()).toEqual([
      'Chat',
      'Generate',
      'Edit',
    ]);

    await page.locator('.assistant-example').last().click();
    await chat.state('complete');

    const { body } = await chat.run();
    expect([body.mode, body.prompt, body.context?.content]).toEqual([
      'edit',
      'Sort the lines',
      'pear\napple\nfig',
    ]);
    expect(await page.locator('.assistant-empty').count()).toBe(0);
  });

  it('offers only prompts of the one mode it has', async () => {
    await chat.open();

    expect(await chat.page.locator('.assistant-example').count()).toBe(1);
    expect(await chat.page.getByLabel('Mode').count()).toBe(0);
  });

  it('on a low page begins at its top', async () => {
    await chat.open(ALL_MODES, { width: 360, height: 420 });

    expect(await chat.log.evaluate((box) => box.scrollTop)).toBe(0);
  });
});

describe('the mode', () => {
  it('is chosen by the person, goes out with the prompt, and again with a retry', async () => {
    chat.answer = whole('Made');
    const page = await chat.open(ALL_MODES);

    await page.getByLabel('Mode').selectOption('generate');
    await chat.send('A song');
    await chat.state('complete');
    await page.getByLabel('Mode').selectOption('chat');
    chat.answer = whole('Made anew');
    await chat.button('Try again').click();
    await page.getByText('Made anew').waitFor();

    expect([...chat.server.runs.values()].map(({ body }) => body.mode)).toEqual(['generate', 'generate']);
    expect(await page.locator('[data-role=user] small').textContent()).toBe('Generate');
  });

  it('edit asks for the text to edit, and sends it', async () => {
    chat.answer = whole('Done');
    const page = await chat.open(ALL_MODES);
    await page.getByLabel('Mode').selectOption('edit');

    await page.getByLabel('Text to edit').fill('b\na');
    await chat.send('Sort');
    await chat.state('complete');

    expect((await chat.run()).body.context?.content).toBe('b\na');
    await page.getByText('Text to edit').click();
    expect(await page.locator('.assistant-document pre').textContent()).toBe('b\na');
  });
});

describe('suggestions', () => {
  const suggest = (run: Run) => {
    run.chunk('An answer');
    run.propose({
      action_id: 's1',
      name: 'suggest_prompts',
      args: { prompts: ['And then?', 'Why?', 7] },
      wants: 'nothing',
    });
    run.complete();
  };

  it('are offered below the last answer, and sent by a click; a reload keeps them', async () => {
    chat.answer = suggest;
    const page = await chat.open();
    await chat.send('Hi');
    await chat.button('And then?').waitFor();
    await page.reload();
    await chat.button('And then?').waitFor();
    expect(await page.getByRole('group', { name: 'Suggestions' }).getByRole('button').count()).toBe(2);

    chat.answer = whole('More');
    await chat.button('And then?').click();
    await page.getByText('More').waitFor();

    expect((await chat.run()).body.prompt).toBe('And then?');
    expect(await chat.button('Why?').count()).toBe(0);
  });

  it('are not offered to the model where the page does not want them', async () => {
    chat.answer = whole('Hello');
    await chat.open('suggestions=false');

    await chat.send('Hi');
    await chat.state('complete');

    expect((await chat.run()).body.context?.actions).toEqual([]);
  });
});

describe('the header', () => {
  it('says how the connection is', async () => {
    chat.answer = (run) => run.chunk('Half');
    const page = await chat.open();
    await connection('ready');
    await chat.send('Hi');
    await connection('live');
    await page.context().setOffline(true);
    await connection('offline');
    await page.context().setOffline(false);
    (await chat.run()).complete();
    await chat.state('complete');

    await connection('ready');
  });

  it('begins a new conversation, which stops what runs and stays empty after a reload', async () => {
    chat.answer = (run) => run.chunk('Half');
    const page = await chat.open();
    await chat.send('Hi');
    await page.getByText('Half').waitFor();

    await chat.button('New conversation').click();
    await page.locator('.assistant-empty').waitFor();
    expect(chat.server.count('DELETE')).toBe(1);
    await page.reload();
    await page.locator('.assistant-empty').waitFor();
    chat.answer = whole('Hello');
    await chat.send('Again');
    await page.getByText('Hello').waitFor();

    const [first, second] = [...chat.server.runs.values()].map(({ body }) => body.track_id);
    expect(first).not.toBe(second);
    expect((await chat.run()).body.context?.history).toEqual([]);
  });

  it('leaves conversations alone that the page has named, and can be left out', async () => {
    chat.answer = whole('Hello');
    await chat.open('track=t9');
    await chat.send('Hi');
    await chat.state('complete');
    expect(await chat.button('New conversation').count()).toBe(0);

    await chat.open('header=false');
    expect(await chat.page.locator('.assistant-header').count()).toBe(0);
  });
});

describe("an answer's details", () => {
  it('have its request id, which can be copied', async () => {
    chat.answer = whole('Hello');
    const page = await chat.open();
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await chat.send('Hi');
    await chat.state('complete');

    await chat.button('Details').click();
    await chat.button('Copy id').click();
    await chat.button('Copied').waitFor();

    const { id } = await chat.run();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(id);
    await chat.button('Details').click();
    expect(await page.getByText(id).count()).toBe(0);
  });
});

describe('an approval', () => {
  it('that is declined says so, and one that nobody can answer any more asks nothing', async () => {
    const ask = { action_id: 'a1', name: 'insert_track', args: {}, wants: 'approval' };
    chat.answer = (run) => {
      run.onReply = (_id, status) => {
        run.chunk(`Got ${status}`);
        run.complete();
      };
      run.propose(ask);
    };
    await chat.open();
    await chat.send('Hi');
    await chat.page.getByText('Waiting for your decision').waitFor();
    await chat.button('Deny').click();
    await chat.page.getByText('Got denied').waitFor();
    const line = chat.answered.locator('p.assistant-action');
    expect(await line.textContent()).toBe('insert_track: declined');
    expect(await line.locator('svg').getAttribute('data-icon')).toBe('close');

    chat.answer = (run) => {
      run.propose(ask);
      run.fail('action_expired');
    };
    await chat.send('Again');
    await chat.state('error');

    expect(await chat.answered.locator('fieldset').count()).toBe(0);
    expect(await chat.answered.locator('.assistant-action').textContent()).toBe('insert_track: waiting');
  });
});

describe.runIf(inject('target') === 'element')('the devtools', () => {
  it('are loaded by the button, or by the address, and show what happened before', async () => {
    chat.answer = whole('Hello');
    const page = await chat.open('devtools=/devtools.js');
    await chat.send('Hi');
    await chat.state('complete');
    const dock = page.locator('[data-assistant-devtools]');
    expect(await dock.count()).toBe(0);

    await chat.button('Devtools').click();
    await page.getByText('frame 1-1 status').waitFor();
    await page.getByRole('button', { name: 'Close' }).click();
    await dock.waitFor({ state: 'hidden' });
    await chat.button('Devtools').click();
    await dock.waitFor();

    await page.goto(`${chat.server.origin}/?devtools=/devtools.js&assistant_debug=1`);
    await page.getByText('Connections now: 0').waitFor();
  });

  it('are not there where the page does not allow them', async () => {
    await chat.open('assistant_debug=1');

    expect(await chat.button('Devtools').count()).toBe(0);
    expect(await chat.page.locator('[data-assistant-devtools]').count()).toBe(0);
  });
});
