import { createRef } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import {
  type ActionHandlers,
  type AssistantClient,
  createAssistantClient,
  type RequestContext,
  type TokenProvider,
  type Turn,
} from '../core/index.ts';
import { type ChatControls, ChatWindow } from '../react/ChatWindow.tsx';
import type { Strings } from '../react/i18n/en.ts';
import type { Example } from '../react/parts/EmptyState.tsx';
import css from '../react/styles.css?inline';
import { Debugging } from './debugging.ts';

const HOST = ':host{display:block;height:480px}:host([hidden]){display:none}';

/** Properties a page may set before this file has loaded; they are set again once the setters exist. */
const PROPERTIES = ['token', 'strings', 'context', 'messages', 'examples', 'actions', 'images'] as const;

const ATTRIBUTES = [
  'base-url',
  'label',
  'mode',
  'modes',
  'track-id',
  'theme',
  'header',
  'resume',
  'suggestions',
  'devtools',
] as const;

/**
 * `<assistant-chat base-url label mode modes track-id theme header resume suggestions devtools>`: the window
 * for pages without React.
 * It sits in a shadow root; set `--assistant-*` properties and `::part()` to change how it looks.
 */
export class AssistantChatElement extends HTMLElement {
  static readonly observedAttributes: readonly string[] = ATTRIBUTES;

  #token: string | TokenProvider | undefined;
  #strings: Partial<Strings> | undefined;
  #context: RequestContext | (() => RequestContext) | undefined;
  #messages: readonly Turn[] | undefined;
  #examples: readonly Example[] | undefined;
  #images: readonly string[] = [];
  #actions: ActionHandlers = {};
  #root: Root | null = null;
  #client: AssistantClient | null = null;
  #scheduled = false;
  readonly #controls = createRef<ChatControls>();
  readonly #debugging = new Debugging(() => this.getAttribute('devtools'));

  /** An access token, or a function that gives one; without it guests are tried. */
  get token(): string | TokenProvider | undefined {
    return this.#token;
  }
  set token(token: string | TokenProvider | undefined) {
    this.#token = token;
    this.#client = null;
    this.#update();
  }

  /** Words in another language, or other words. */
  get strings(): Partial<Strings> | undefined {
    return this.#strings;
  }
  set strings(strings: Partial<Strings> | undefined) {
    this.#strings = strings;
    this.#update();
  }

  /** Sent with each request; a function is called at each send. */
  get context(): RequestContext | (() => RequestContext) | undefined {
    return this.#context;
  }
  set context(context: RequestContext | (() => RequestContext) | undefined) {
    this.#context = context;
  }

  /** Earlier turns; also read from a `<script type="application/json">` inside. */
  get messages(): readonly Turn[] {
    return this.#messages ?? dataWithin(this).messages ?? [];
  }
  set messages(messages: readonly Turn[]) {
    this.#messages = messages;
    this.#update();
  }

  /** Prompts to begin with; also read from the JSON inside. */
  get examples(): readonly Example[] | undefined {
    return this.#examples ?? dataWithin(this).examples;
  }
  set examples(examples: readonly Example[] | undefined) {
    this.#examples = examples;
    this.#update();
  }

  /** What the page can do for the assistant: `chat.actions.insert_track = async (args) => value`. */
  get actions(): ActionHandlers {
    return this.#actions;
  }
  set actions(actions: ActionHandlers) {
    this.#actions = actions;
  }

  /** Origins that images in answers may be loaded from. */
  get images(): readonly string[] {
    return this.#images;
  }
  set images(images: readonly string[]) {
    this.#images = images;
    this.#update();
  }

  /** False when the text is empty or an answer is still being made. */
  send(text: string): boolean {
    return this.#controls.current?.send(text) ?? false;
  }

  stop(): void {
    this.#controls.current?.stop();
  }

  focusInput(): void {
    this.#controls.current?.focusInput();
  }

  connectedCallback(): void {
    for (const name of PROPERTIES) reassign(this, name);
    const shadow = this.shadowRoot ?? this.#attach();
    this.#root = createRoot(shadow);
    this.#render();
  }

  disconnectedCallback(): void {
    this.#root?.unmount();
    this.#root = null;
  }

  attributeChangedCallback(name: string): void {
    if (name === 'base-url' || name === 'devtools') this.#client = null;
    this.#update();
  }

  #attach(): ShadowRoot {
    const shadow = this.attachShadow({ mode: 'open' });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(HOST + css);
    shadow.adoptedStyleSheets = [sheet];
    return shadow;
  }

  /** Several changes in one task are one render. */
  #update(): void {
    if (this.#scheduled || !this.#root) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#render();
    });
  }

  #render(): void {
    this.#client ??= createAssistantClient({
      ...clientOptions(this.getAttribute('base-url'), this.#token),
      ...this.#debugging.hooks(),
    });
    const text = (name: (typeof ATTRIBUTES)[number]) => this.getAttribute(name) ?? undefined;
    const isOn = (name: (typeof ATTRIBUTES)[number]) => text(name) !== 'false';
    this.#root?.render(
      <ChatWindow
        client={this.#client}
        mode={text('mode') ?? 'chat'}
        modes={text('modes')?.split(/\s+/).filter(Boolean)}
        trackId={text('track-id')}
        label={text('label')}
        theme={themeOf(text('theme'))}
        header={isOn('header')}
        resume={isOn('resume')}
        suggestions={isOn('suggestions')}
        messages={this.messages}
        examples={this.examples}
        images={this.#images}
        strings={this.#strings}
        context={() => (typeof this.#context === 'function' ? this.#context() : (this.#context ?? {}))}
        actions={() => this.#actions}
        controls={this.#controls}
        onMessage={(answer) => this.#tell('message', answer)}
        onAction={(action) => this.#tell('action', action)}
        onError={(error) => this.#tell('error', error)}
        onState={(state) => this.#tell('state', state)}
        onSignIn={this.#signIn}
        onDevtools={this.#debugging.open}
      />,
    );
  }

  readonly #signIn = () => this.#tell('sign-in', null);

  #tell(name: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(`assistant-${name}`, { detail, bubbles: true, composed: true }));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'assistant-chat': AssistantChatElement;
  }
}

function clientOptions(baseUrl: string | null, token: string | TokenProvider | undefined) {
  return {
    ...(baseUrl === null ? {} : { baseUrl }),
    ...(token === undefined ? {} : { token: typeof token === 'function' ? token : () => token }),
  };
}

function themeOf(theme: string | undefined): 'light' | 'dark' | 'auto' {
  return theme === 'light' || theme === 'dark' ? theme : 'auto';
}

interface DataWithin {
  messages?: readonly Turn[];
  examples?: readonly Example[];
}

/** A template's way to hand over data without a script of its own. */
function dataWithin(element: Element): DataWithin {
  const data = element.querySelector('script[type="application/json"]')?.textContent;
  if (!data) return {};
  try {
    return (JSON.parse(data) as DataWithin | null) ?? {};
  } catch {
    console.error('assistant-chat: the JSON inside cannot be read');
    return {};
  }
}

/** A property set on the plain element hides the class's setter until it is set again. */
function reassign<Name extends (typeof PROPERTIES)[number]>(element: AssistantChatElement, name: Name): void {
  if (!Object.hasOwn(element, name)) return;
  const value = element[name];
  delete (element as Partial<AssistantChatElement>)[name];
  element[name] = value;
}
