import { describe, expect, it, vi } from 'vitest';
import { ActionDesk, type ActionHandlers } from '../../src/core/actions.ts';
import { AssistantError } from '../../src/core/errors.ts';
import type { ActionData, ActionReply } from '../../src/core/types.ts';
import { ManualClock } from '../support/clock.ts';
import { ID } from '../support/frames.ts';

const proposed = (more: Partial<ActionData> = {}): ActionData => ({
  ts: 1,
  action_id: 'a1',
  name: 'insert_track',
  args: { bpm: 120 },
  phase: 'proposed',
  wants: 'result',
  ...more,
});

/** The server's rule: one claim wins, and its repeats are welcome. */
function server() {
  let owner: string | undefined;
  const replies: ActionReply[] = [];
  const submitAction = vi.fn(async (_id: string, _action: string, reply: ActionReply) => {
    if (reply.status === 'claimed' && owner !== undefined && owner !== reply.claim) {
      throw new AssistantError('taken', { kind: 'invalid', code: 'conflict', stage: 'action', status: 409 });
    }
    if (reply.status === 'claimed') owner = reply.claim;
    replies.push(reply);
  });
  return { submitAction, replies, statuses: () => replies.map(({ status }) => status) };
}

function desk(handlers: ActionHandlers, client = server(), clock = new ManualClock()) {
  return { client, clock, desk: new ActionDesk(client, () => handlers, clock) };
}

describe('an action', () => {
  it('is claimed, run, and answered under its claim', async () => {
    const order: string[] = [];
    const { desk: it_, client } = desk({
      insert_track: async ({ bpm }) => {
        order.push(client.statuses().join());
        return { note: bpm };
      },
    });

    await it_.observe(ID, proposed());

    expect(order).toEqual(['claimed']);
    expect(client.replies).toEqual([
      { status: 'claimed', claim: expect.stringMatching(/^[0-9a-f-]{36}$/) },
      { status: 'ok', value: { note: 120 }, claim: (client.replies[0] as { claim: string }).claim },
    ]);
  });

  it('runs once, however often the log is replayed', async () => {
    const run = vi.fn();
    const { desk: it_ } = desk({ insert_track: run });

    await Promise.all([
      it_.observe(ID, proposed()),
      it_.observe(ID, proposed()),
      it_.observe(ID, proposed()),
    ]);

    expect(run).toHaveBeenCalledOnce();
  });

  it('runs in one of two tabs', async () => {
    const run = vi.fn();
    const client = server();
    const first = desk({ insert_track: run }, client).desk;
    const second = desk({ insert_track: run }, client).desk;

    await Promise.all([first.observe(ID, proposed()), second.observe(ID, proposed())]);

    expect(run).toHaveBeenCalledOnce();
    expect(client.statuses()).toEqual(['claimed', 'ok']);
  });

  it.each(['claimed', 'resolved', 'expired'])('that a replay shows as %s is not claimed', async (phase) => {
    const run = vi.fn();
    const { desk: it_, client } = desk({ insert_track: run });

    await Promise.all([it_.observe(ID, proposed()), it_.observe(ID, proposed({ phase }))]);

    expect(run).not.toHaveBeenCalled();
    expect(client.submitAction).not.toHaveBeenCalled();
  });

  it('that wants nothing ends with its claim', async () => {
    const run = vi.fn(() => 'value');
    const { desk: it_, client } = desk({ insert_track: run });

    await it_.observe(ID, proposed({ wants: 'nothing' }));

    expect(run).toHaveBeenCalledOnce();
    expect(client.statuses()).toEqual(['claimed']);
  });

  it('that throws is answered as an error, in words', async () => {
    const log = vi.spyOn(console, 'error').mockImplementation(() => {});
    const { desk: it_, client } = desk({
      insert_track: () => {
        throw new Error('no room');
      },
    });

    await it_.observe(ID, proposed());

    expect(client.replies[1]).toMatchObject({ status: 'error', value: 'no room' });
    expect(log).toHaveBeenCalledOnce();
    log.mockRestore();
  });

  it('whose claim cannot be placed does not run', async () => {
    const run = vi.fn();
    const submitAction = () => Promise.reject(new TypeError('fetch failed'));
    const it_ = new ActionDesk({ submitAction }, () => ({ insert_track: run }), new ManualClock());

    await it_.observe(ID, proposed());

    expect(run).not.toHaveBeenCalled();
  });
});

describe('an action this page does not know', () => {
  it.each(['insert_track', 'toString', '__proto__'])('is denied after a second (%s)', async (name) => {
    const { desk: it_, client, clock } = desk({});

    await it_.observe(ID, proposed({ name }));
    await clock.advance(999);
    expect(client.replies).toEqual([]);
    await clock.advance(1);

    expect(client.replies).toEqual([{ status: 'denied' }]);
  });

  it('is left to the tab that claims it', async () => {
    const { desk: it_, client, clock } = desk({});

    await it_.observe(ID, proposed());
    await it_.observe(ID, proposed({ phase: 'claimed' }));
    await clock.advance(5_000);

    expect(client.replies).toEqual([]);
  });

  it('is run when the page learns it in time', async () => {
    const handlers: ActionHandlers = {};
    const { desk: it_, client, clock } = desk(handlers);

    await it_.observe(ID, proposed());
    handlers.insert_track = () => 1;
    await clock.advance(1_000);

    expect(client.statuses()).toEqual(['claimed', 'ok']);
  });

  it('is forgotten with the window', async () => {
    const { desk: it_, client, clock } = desk({});

    await it_.observe(ID, proposed());
    it_.release();
    await clock.advance(5_000);

    expect(client.replies).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});

describe('an approval', () => {
  it('waits for the user, and needs no claim', async () => {
    const run = vi.fn();
    const { desk: it_, client, clock } = desk({ insert_track: run });

    await it_.observe(ID, proposed({ wants: 'approval' }));
    await clock.advance(60_000);
    expect(client.replies).toEqual([]);
    expect(await it_.answer(ID, 'a1', true)).toBe(true);
    expect(await it_.answer(ID, 'a2', false, 'why')).toBe(true);

    expect(client.replies).toEqual([{ status: 'ok' }, { status: 'denied', value: 'why' }]);
    expect(run).not.toHaveBeenCalled();
  });

  it('that was answered elsewhere says so', async () => {
    const taken = new AssistantError('', { kind: 'invalid', code: 'conflict', stage: 'action', status: 409 });
    const it_ = new ActionDesk({ submitAction: () => Promise.reject(taken) }, () => ({}), new ManualClock());

    expect(await it_.answer(ID, 'a1', true)).toBe(false);
  });
});

describe('names', () => {
  it('are those of functions', () => {
    expect(desk({ a: () => 1, b: undefined }).desk.names()).toEqual(['a']);
  });
});
