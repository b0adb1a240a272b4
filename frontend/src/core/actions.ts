import type { AssistantClient } from './client.ts';
import { uuid } from './ids.ts';
import { type Clock, type Stop, systemClock } from './runtime.ts';
import type { ActionData, ActionReply } from './types.ts';

/** Runs an action in the page. What it gives back, as JSON, is the answer; what it throws is a failure. */
export type ActionHandler = (args: Record<string, unknown>, action: ActionData) => unknown;

/** By name; a plain object that the page may fill at any time. */
export type ActionHandlers = Record<string, ActionHandler | undefined>;

/** ms an action stays unclaimed before it is denied: another tab, or a script still loading, may know it. */
const DENY_AFTER = 1_000;

/**
 * Runs each proposed action at most once. The server gives the claim to one page only, so neither a
 * replay of the log nor a second tab runs it again.
 */
export class ActionDesk {
  readonly #seen = new Set<string>();
  readonly #settled = new Set<string>();
  readonly #denials = new Set<Stop>();

  constructor(
    private readonly client: Pick<AssistantClient, 'submitAction'>,
    /** Asked each time, as a page may learn new ones. */
    private readonly handlers: () => ActionHandlers,
    private readonly clock: Clock = systemClock,
  ) {}

  /** Names to offer to the model. */
  names(): string[] {
    return Object.keys(this.handlers()).filter((name) => this.#handlerOf(name));
  }

  /** Takes each `action` event; resolves when what it asked for is done. Never rejects. */
  async observe(requestId: string, action: ActionData): Promise<void> {
    if (action.phase !== 'proposed') {
      this.#settled.add(action.action_id);
      return;
    }
    if (this.#seen.has(action.action_id)) return;
    this.#seen.add(action.action_id);
    if (action.wants === 'approval') return;
    // A replayed log brings `claimed` in the same breath: let it be read before anything is claimed.
    await Promise.resolve();
    if (this.#settled.has(action.action_id)) return;
    if (this.#handlerOf(action.name)) await this.#run(requestId, action);
    else this.#denyLater(requestId, action);
  }

  /** The user's answer to an approval. The first answer counts, in whichever tab it was given. */
  answer(requestId: string, actionId: string, approved: boolean, value?: unknown): Promise<boolean> {
    const status = approved ? 'ok' : 'denied';
    return this.#submit(requestId, actionId, value === undefined ? { status } : { status, value });
  }

  /** Forgets pending denials; for a window that goes away. */
  release(): void {
    for (const stop of this.#denials) stop();
    this.#denials.clear();
  }

  async #run(requestId: string, action: ActionData): Promise<void> {
    const claim = uuid();
    if (!(await this.#submit(requestId, action.action_id, { status: 'claimed', claim }))) return;
    const reply = await this.#perform(action);
    if (action.wants === 'result') await this.#submit(requestId, action.action_id, { ...reply, claim });
  }

  async #perform(action: ActionData): Promise<{ status: 'ok' | 'error'; value?: unknown }> {
    try {
      const value = await this.#handlerOf(action.name)?.(action.args ?? {}, action);
      return value === undefined ? { status: 'ok' } : { status: 'ok', value };
    } catch (error) {
      console.error(`assistant: the action ${action.name} failed`, error);
      return { status: 'error', value: error instanceof Error ? error.message : String(error) };
    }
  }

  #denyLater(requestId: string, action: ActionData): void {
    const stop = this.clock.after(DENY_AFTER, () => {
      this.#denials.delete(stop);
      if (this.#settled.has(action.action_id)) return;
      if (this.#handlerOf(action.name)) void this.#run(requestId, action);
      else void this.#submit(requestId, action.action_id, { status: 'denied' });
    });
    this.#denials.add(stop);
  }

  /** False when the server did not take it: claimed or answered elsewhere, expired, or out of reach. */
  async #submit(requestId: string, actionId: string, reply: ActionReply): Promise<boolean> {
    try {
      await this.client.submitAction(requestId, actionId, reply);
      return true;
    } catch {
      return false;
    }
  }

  #handlerOf(name: string): ActionHandler | undefined {
    const handlers = this.handlers();
    const handler = Object.hasOwn(handlers, name) ? handlers[name] : undefined;
    return typeof handler === 'function' ? handler : undefined;
  }
}
