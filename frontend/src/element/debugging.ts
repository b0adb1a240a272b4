import type { Hooks, TraceEntry } from '../core/index.ts';

/** What the file of the devtools gives. */
interface Devtools {
  /** Shows the panel, with what happened before it was there. */
  openDevtools(entries: readonly TraceEntry[]): Dock;
}

interface Dock {
  hooks: Required<Hooks>;
  toggle(): void;
}

/** Entries kept for a panel that is not there yet. */
const EARLY = 500;

/**
 * The way into the devtools. A page that allows them names their file; it is loaded when a person asks for
 * it, by the button or by `?assistant_debug=1`. Without a file nothing is recorded at all.
 */
export class Debugging {
  readonly #early: TraceEntry[] = [];
  #dock: Dock | null = null;
  #loading = false;

  constructor(private readonly source: () => string | null) {}

  /** The hooks for a client of this page; opens the panel where the address asks for it. */
  hooks(): { hooks?: Hooks } {
    if (!this.source()) return {};
    if (new URLSearchParams(location.search).get('assistant_debug') === '1' && !this.#dock) this.#toggle();
    return { hooks: { onTrace: (entry) => this.#keep(entry) } };
  }

  /** Undefined where there is nothing to open. */
  get open(): (() => void) | undefined {
    return this.source() ? this.#toggle : undefined;
  }

  #keep(entry: TraceEntry): void {
    if (this.#dock) return this.#dock.hooks.onTrace(entry);
    this.#early.push(entry);
    if (this.#early.length > EARLY) this.#early.shift();
  }

  readonly #toggle = (): void => {
    if (this.#dock) this.#dock.toggle();
    else if (!this.#loading) void this.#load();
  };

  async #load(): Promise<void> {
    this.#loading = true;
    try {
      const url = new URL(this.source() ?? '', document.baseURI).href;
      const { openDevtools } = (await import(/* @vite-ignore */ url)) as Devtools;
      this.#dock = openDevtools(this.#early.splice(0));
    } catch (error) {
      console.error('assistant-chat: the devtools could not be loaded', error);
    } finally {
      this.#loading = false;
    }
  }
}
