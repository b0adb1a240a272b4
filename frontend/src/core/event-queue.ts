import type { AssistantEvent } from './types.ts';

/** Events waiting for `for await`. The server bounds a log at 10 MB, so the queue needs no bound of its own. */
export class EventQueue {
  #events: AssistantEvent[] = [];
  #closed = false;
  #error: Error | undefined;
  #taken = false;
  #waiting: (() => void)[] = [];

  /**
   * @param onHanded called with each event as it is handed out.
   * @param onLeave  called when the reader leaves the loop early.
   */
  constructor(
    private readonly onHanded: (event: AssistantEvent) => void,
    private readonly onLeave: () => void,
  ) {}

  push(event: AssistantEvent): void {
    this.#events.push(event);
    this.#wake();
  }

  /** No more events; a reader gets those that wait, then the error if there is one. */
  close(error?: Error): void {
    this.#closed = true;
    this.#error = error;
    this.#wake();
  }

  iterator(): AsyncIterator<AssistantEvent> {
    if (this.#taken) throw new TypeError('This stream is being iterated already.');
    this.#taken = true;
    return {
      next: () => this.#next(),
      return: () => {
        this.onLeave();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async #next(): Promise<IteratorResult<AssistantEvent>> {
    while (this.#events.length === 0 && !this.#closed) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    const event = this.#events.shift();
    if (event) {
      this.onHanded(event);
      return { done: false, value: event };
    }
    if (!this.#error) return { done: true, value: undefined };
    const error = this.#error;
    this.#error = undefined;
    throw error;
  }
}
