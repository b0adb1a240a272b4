import type { Hooks, TraceEntry } from '../core/index.ts';
import { element } from './dom.ts';
import { mountPanel } from './panel.ts';
import { Recorder } from './recorder.ts';

export interface Dock {
  /** For a client of this page; what happens there is shown from now on. */
  readonly hooks: Required<Hooks>;
  /** Shows the panel, or puts it away; it goes on recording. */
  toggle(): void;
}

/** Opens the panel at the foot of the page, with what happened before it was there. */
export function openDevtools(entries: readonly TraceEntry[] = []): Dock {
  const recorder = new Recorder();
  for (const entry of entries) recorder.hooks.onTrace(entry);
  const host = element('div', { 'data-assistant-devtools': '' });
  Object.assign(host.style, { position: 'fixed', inset: 'auto 0 0', height: '42vh', zIndex: '2147483000' });
  const toggle = () => {
    host.style.display = host.style.display === 'none' ? '' : 'none';
  };
  mountPanel(host, recorder, { onClose: toggle });
  document.body.append(host);
  return { hooks: recorder.hooks, toggle };
}
