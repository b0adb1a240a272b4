import type { TraceEntry } from '../core/index.ts';
import type { Recorder } from './recorder.ts';
import { isLate, isLive, type Step, type Timeline, timelinesOf } from './timeline.ts';

/** Lines of the log that are drawn; the recorder keeps more. */
const SHOWN = 300;
/** ms between two drawings. */
const EVERY = 250;

/** Draws what a recorder has seen into an element; returns how to take it away again. */
export function mountPanel(target: HTMLElement, recorder: Recorder): () => void {
  const shadow = target.shadowRoot ?? target.attachShadow({ mode: 'open' });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(CSS);
  shadow.adoptedStyleSheets = [sheet];
  const body = element('div', { part: 'body' });
  shadow.replaceChildren(toolbar(recorder), body);

  let timer: ReturnType<typeof setTimeout> | undefined;
  const draw = () => {
    timer = undefined;
    body.replaceChildren(...sections(recorder.entries));
  };
  const unsubscribe = recorder.subscribe(() => {
    timer ??= setTimeout(draw, EVERY);
  });
  draw();
  return () => {
    clearTimeout(timer);
    unsubscribe();
    shadow.replaceChildren();
  };
}

function toolbar(recorder: Recorder): HTMLElement {
  const clear = element('button', { type: 'button' }, 'Clear');
  clear.addEventListener('click', () => recorder.clear());
  const save = element('button', { type: 'button' }, 'Export (redacted)');
  save.addEventListener('click', () => download(recorder.export()));
  return element('header', {}, clear, save);
}

function sections(entries: readonly TraceEntry[]): HTMLElement[] {
  const timelines = timelinesOf(entries);
  const live = timelines.filter(isLive).map((timeline) => `${short(timeline.requestId)} ${timeline.state}`);
  return [
    section(`Connections now: ${live.length}`, ...live.map((line) => element('p', {}, line))),
    section('Requests', ...timelines.toReversed().map(waterfall)),
    section('Flow', ...entries.slice(-SHOWN).toReversed().map(logLine)),
  ];
}

function section(title: string, ...children: HTMLElement[]): HTMLElement {
  return element('section', { 'aria-label': title }, element('h2', {}, title), ...children);
}

function waterfall(timeline: Timeline): HTMLElement {
  const span = Math.max(1, ...timeline.steps.map(({ at }) => at));
  const facts = `${short(timeline.requestId)} ${timeline.state}, ${timeline.frames} frames, ${timeline.retries} retries`;
  return element(
    'div',
    { class: 'request' },
    element('p', {}, facts),
    ...timeline.steps.map((step) => bar(step, span)),
  );
}

function bar(step: Step, span: number): HTMLElement {
  const budget = step.budget === null ? '' : ` of ${step.budget}`;
  const line = element('i', {});
  line.style.inlineSize = `${(step.at / span) * 100}%`;
  const label = `${step.name} ${Math.round(step.at)}${budget} ms`;
  return element('div', { class: isLate(step) ? 'bar late' : 'bar' }, line, element('span', {}, label));
}

function logLine(entry: TraceEntry): HTMLElement {
  const { at, type, ...rest } = entry;
  const time = new Date(at).toISOString().slice(11, 23);
  const summary = element('summary', {}, `${time} ${type} ${summaryOf(entry)}`);
  return element('details', {}, summary, element('pre', {}, JSON.stringify(rest, null, 1)));
}

function summaryOf(entry: TraceEntry): string {
  switch (entry.type) {
    case 'request':
      return `${entry.method} ${entry.path}`;
    case 'response':
      return String(entry.status);
    case 'failure':
      return entry.code;
    case 'accepted':
      return short(entry.requestId);
    case 'frame':
      return `${entry.id ?? 'notice'} ${entry.event}`;
    case 'retry':
      return `${entry.reason}, try ${entry.failures}, in ${Math.round(entry.delay)} ms`;
    case 'state':
      return entry.state;
  }
}

/** The part of a request id that tells two apart at a glance. */
function short(requestId: string): string {
  return requestId.slice(-12);
}

/** Text only ever becomes text nodes. */
function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Record<string, string>,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function download(json: string): void {
  const url = URL.createObjectURL(new Blob([json], { type: 'application/json' }));
  const link = element('a', { href: url, download: 'assistant-trace.json' });
  link.click();
  URL.revokeObjectURL(url);
}

const CSS = `
:host { display: block; font: 12px/1.5 ui-monospace, monospace; color: #1b1d22; background: #fff; overflow: auto; }
header { display: flex; gap: 8px; padding: 8px; }
section { padding: 0 8px 8px; }
h2 { margin: 8px 0 4px; font-size: 12px; }
p, pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.request { margin-block-end: 8px; border-block-start: 1px solid #d5d9e0; }
.bar { position: relative; }
.bar i { position: absolute; inset-block: 2px; inset-inline-start: 0; background: #cfe0ff; }
.bar.late i { background: #ffd0d0; }
.bar span { position: relative; padding-inline: 4px; }
`;
