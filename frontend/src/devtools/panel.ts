import type { TraceEntry } from '../core/index.ts';
import { element } from './dom.ts';
import { detailsOf, shortId, summaryOf, timeOf } from './lines.ts';
import { CSS } from './panel-css.ts';
import type { Recorder } from './recorder.ts';
import { isLate, isLive, type Step, type Timeline, timelinesOf } from './timeline.ts';

/** Lines of the log that are drawn; the recorder keeps more. */
const SHOWN = 300;
/** ms between two drawings. */
const EVERY = 250;

export interface PanelOptions {
  /** Offered as a button, where given. */
  onClose?: () => void;
}

/** Draws what a recorder has seen into an element; returns how to take it away again. */
export function mountPanel(target: HTMLElement, recorder: Recorder, options: PanelOptions = {}): () => void {
  const shadow = target.shadowRoot ?? target.attachShadow({ mode: 'open' });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(CSS);
  shadow.adoptedStyleSheets = [sheet];
  const connections = section('Connections now: 0');
  const requests = section('Requests');
  const flow = new Flow();
  const body = element('div', { class: 'body' }, element('div', {}, connections, requests), flow.section);
  shadow.replaceChildren(toolbar(recorder, options), body);

  let timer: ReturnType<typeof setTimeout> | undefined;
  const draw = () => {
    timer = undefined;
    const timelines = timelinesOf(recorder.entries);
    const live = timelines.filter(isLive).map(({ requestId, state }) => `${shortId(requestId)} ${state}`);
    fill(
      connections,
      `Connections now: ${live.length}`,
      live.map((line) => element('p', {}, line)),
    );
    fill(requests, 'Requests', timelines.toReversed().map(waterfall));
    flow.draw(recorder.entries);
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

function toolbar(recorder: Recorder, { onClose }: PanelOptions): HTMLElement {
  const button = (label: string, act: () => void) => {
    const made = element('button', { type: 'button' }, label);
    made.addEventListener('click', act);
    return made;
  };
  return element(
    'header',
    {},
    element('strong', {}, 'Assistant devtools'),
    button('Clear', () => recorder.clear()),
    button('Export (redacted)', () => download(recorder.export())),
    ...(onClose ? [button('Close', onClose)] : []),
  );
}

function section(title: string): HTMLElement {
  return element('section', { 'aria-label': title }, element('h2', {}, title));
}

function fill(target: HTMLElement, title: string, children: readonly Node[]): void {
  target.setAttribute('aria-label', title);
  target.replaceChildren(element('h2', {}, title), ...children);
}

/** The log, newest first. Lines that stay are not touched, so an opened one stays open and keeps the focus. */
class Flow {
  readonly section = section('Flow');
  readonly #lines = element('div', {});
  #last: TraceEntry | undefined;

  constructor() {
    this.section.append(this.#lines);
  }

  draw(entries: readonly TraceEntry[]): void {
    const known = this.#last ? entries.lastIndexOf(this.#last) : -1;
    if (known < 0) this.#lines.replaceChildren();
    const fresh = entries.slice(Math.max(known + 1, entries.length - SHOWN));
    this.#lines.prepend(...fresh.toReversed().map(logLine));
    while (this.#lines.childElementCount > SHOWN) this.#lines.lastElementChild?.remove();
    this.#last = entries.at(-1);
  }
}

function logLine(entry: TraceEntry): HTMLElement {
  const time = element('time', {}, timeOf(entry.at));
  const summary = element('summary', { class: entry.type }, time, ` ${entry.type} ${summaryOf(entry)}`);
  return element('details', {}, summary, element('pre', {}, detailsOf(entry)));
}

/** A request's steps, each a bar from the step before it, with a mark where its budget ends. */
function waterfall(timeline: Timeline): HTMLElement {
  const { steps, frames, retries, requestId, state } = timeline;
  const span = Math.max(1, ...steps.flatMap(({ at, budget }) => [at, budget ?? 0]));
  const facts = `${shortId(requestId)} ${state}, ${frames} frames, ${retries} retries`;
  const bars = steps.map((step, at) => bar(step, steps[at - 1]?.at ?? 0, span));
  return element('div', { class: 'request' }, element('p', {}, facts), ...bars);
}

function bar(step: Step, from: number, span: number): HTMLElement {
  const percent = (ms: number) => `${(ms / span) * 100}%`;
  const budget = step.budget === null ? '' : ` of ${step.budget}`;
  const line = element('i', {});
  line.style.insetInlineStart = percent(from);
  line.style.inlineSize = percent(Math.max(0, step.at - from));
  const mark = element('b', {});
  mark.hidden = step.budget === null;
  mark.style.insetInlineStart = percent(step.budget ?? 0);
  const label = `${step.name} ${Math.round(step.at)}${budget} ms`;
  const late = isLate(step);
  const chart = element('div', { class: 'chart', 'aria-hidden': 'true' }, line, mark);
  return element('div', { class: late ? 'bar late' : 'bar' }, element('span', {}, label), chart);
}

function download(json: string): void {
  const url = URL.createObjectURL(new Blob([json], { type: 'application/json' }));
  const link = element('a', { href: url, download: 'assistant-trace.json' });
  link.click();
  URL.revokeObjectURL(url);
}
