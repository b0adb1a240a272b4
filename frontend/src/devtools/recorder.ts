import type { Hooks, TraceEntry } from '../core/index.ts';
import { redacted } from './redact.ts';

/** Entries kept; the oldest go first. A long answer has some thousands. */
const LIMIT = 5_000;

/** Remembers what happened on the wire. Give its `hooks` to a client; nothing is kept without one. */
export class Recorder {
  #entries: TraceEntry[] = [];
  readonly #listeners = new Set<() => void>();

  constructor(private readonly limit: number = LIMIT) {}

  readonly hooks: Required<Hooks> = {
    onTrace: (entry) => {
      this.#entries.push(entry);
      // Dropped in blocks: taking one from the front of a long list each time would cost more than it keeps.
      if (this.#entries.length > this.limit * 1.2) this.#entries = this.#entries.slice(-this.limit);
      for (const listener of this.#listeners) listener();
    },
  };

  get entries(): readonly TraceEntry[] {
    return this.#entries;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  clear(): void {
    this.#entries = [];
    for (const listener of this.#listeners) listener();
  }

  /** JSON to pass on to others: what was said is replaced by how long it was. */
  export(): string {
    return JSON.stringify(this.#entries.map(redacted), null, 1);
  }
}
