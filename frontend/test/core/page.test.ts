import { afterEach, describe, expect, it, vi } from 'vitest';
import { httpOptions } from '../../src/core/options.ts';
import { conversationId } from '../../src/core/track.ts';
import { browserWake } from '../../src/core/wake.ts';

afterEach(() => vi.unstubAllGlobals());

describe('browserWake', () => {
  it('never calls outside of a page', () => {
    expect(() => browserWake(() => {})()).not.toThrow();
  });

  it('calls when the page is seen, shown again or online, until it is stopped', () => {
    const page = Object.assign(new EventTarget(), { visibilityState: 'hidden' });
    const global = new EventTarget();
    vi.stubGlobal('document', page);
    vi.stubGlobal('addEventListener', global.addEventListener.bind(global));
    vi.stubGlobal('removeEventListener', global.removeEventListener.bind(global));
    const wake = vi.fn();
    const fire = () => {
      page.dispatchEvent(new Event('visibilitychange'));
      global.dispatchEvent(new Event('online'));
      global.dispatchEvent(new Event('pageshow'));
    };

    const stop = browserWake(wake);
    fire();
    expect(wake).toHaveBeenCalledTimes(2);
    page.visibilityState = 'visible';
    fire();
    expect(wake).toHaveBeenCalledTimes(5);
    stop();
    fire();

    expect(wake).toHaveBeenCalledTimes(5);
  });
});

describe('conversationId', () => {
  it('stays the same within a tab', () => {
    const kept = new Map<string, string>();
    const storage = { getItem: (key: string) => kept.get(key) ?? null, setItem: kept.set.bind(kept) };
    vi.stubGlobal('sessionStorage', storage);

    expect(conversationId()).toBe(conversationId());
    expect(conversationId('other')).not.toBe(conversationId());
    expect([...kept.values()]).toEqual([conversationId(), conversationId('other')]);
  });

  it('is new each time where nothing may be stored', () => {
    vi.stubGlobal('sessionStorage', {
      getItem: () => {
        throw new DOMException('denied', 'SecurityError');
      },
    });

    expect(conversationId()).not.toBe(conversationId());
  });
});

describe('options', () => {
  it('have defaults that suit a page of the same origin', () => {
    const options = httpOptions({});

    expect(options).toMatchObject({ baseUrl: '/assistant', credentials: 'same-origin', timeout: 10_000 });
    expect(options.csrf()).toEqual({});
    expect(options.headers()).toEqual({});
  });

  it("take the CSRF token from the page's meta tag", () => {
    vi.stubGlobal('document', { querySelector: () => ({ content: 'c' }) });

    expect(httpOptions({}).csrf()).toEqual({ 'X-CSRF-TOKEN': 'c' });
  });

  it('want no slash at the end of the base', () => {
    expect(httpOptions({ baseUrl: 'https://a.test/x//' }).baseUrl).toBe('https://a.test/x');
  });
});
