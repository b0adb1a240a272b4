import type { AssistantChatElement } from '../element/element.tsx';

/*
 * The manners of the page around the window: light or dark, and what the page can do for the assistant. It runs in the head, before there is anything to paint, so that a chosen theme never flashes another.
 */

type Theme = 'auto' | 'light' | 'dark';

const THEME_KEY = 'assistant-theme';
const NEXT: Record<Theme, Theme> = { auto: 'light', light: 'dark', dark: 'auto' };
const NAMES: Record<Theme, string> = { auto: 'as the system', light: 'light', dark: 'dark' };

const root = document.documentElement;
let theme = remembered();
root.dataset.theme = theme;

document.addEventListener('readystatechange', () => {
  // `interactive` comes before deferred scripts run: the element is still plain, and takes all this over as it wakes.
  if (document.readyState !== 'interactive') return;
  dress(chat());
  paint(theme);
  button('theme').addEventListener('click', () => paint(NEXT[theme], true));
  const side = document.querySelector('.side') as HTMLElement;
  // The window's header leaves the page as much room as it takes.
  new ResizeObserver(() => chat().style.setProperty('--side', `${side.offsetWidth}px`)).observe(side);
});

function chat(): AssistantChatElement {
  return document.querySelector('assistant-chat') as AssistantChatElement;
}

function button(name: string): HTMLButtonElement {
  return document.querySelector(`[data-page=${name}]`) as HTMLButtonElement;
}

/** What the assistant may ask this page for. */
function dress(window: AssistantChatElement): void {
  window.actions = {
    ...window.actions,
    set_theme: ({ theme: wanted }) => setTheme(wanted),
    // The built-in demo's question: the window itself asks it, and there is nothing to run.
    try_approval: () => undefined,
  };
}

function setTheme(wanted: unknown): { theme: Theme } {
  if (wanted === 'auto' || wanted === 'light' || wanted === 'dark') paint(wanted, true);
  return { theme };
}

function paint(wanted: Theme, keep = false): void {
  theme = wanted;
  root.dataset.theme = theme;
  chat().setAttribute('theme', theme);
  const name = `Theme: ${NAMES[theme]}`;
  button('theme').setAttribute('aria-label', name);
  button('theme').title = name;
  if (keep) store(() => localStorage.setItem(THEME_KEY, theme));
}

function remembered(): Theme {
  let known: string | null = null;
  store(() => {
    known = localStorage.getItem(THEME_KEY);
  });
  return known === 'light' || known === 'dark' ? known : 'auto';
}

/** A page that may not keep things works all the same. */
function store(task: () => void): void {
  try {
    task();
  } catch {
    // nothing is kept
  }
}
