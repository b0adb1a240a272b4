/**
 * The part of React that the window uses, on Preact's core. `preact/compat` has all of React and weighs a
 * tenth of the element; this has what is imported, and the three ways in which React's DOM differs.
 */
import {
  type Attributes,
  Component,
  type ComponentType,
  createElement,
  options,
  render,
  type VNode,
} from 'preact';
import { useLayoutEffect, useState } from 'preact/hooks';

export { createContext, createRef } from 'preact';
export {
  useCallback,
  useContext,
  useEffect,
  useImperativeHandle,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from 'preact/hooks';

type Same<Props> = (before: Readonly<Props>, after: Readonly<Props>) => boolean;

/** Renders again only when its properties are not the same. */
export function memo<Props extends object>(view: ComponentType<Props>, same: Same<Props> = equal) {
  return class extends Component<Props> {
    override shouldComponentUpdate(next: Readonly<Props>): boolean {
      return !same(this.props, next);
    }

    override render() {
      return createElement(view, this.props as Props & Attributes);
    }
  };
}

function equal<Props extends object>(before: Readonly<Props>, after: Readonly<Props>): boolean {
  const names = Object.keys(before) as (keyof Props)[];
  return (
    names.length === Object.keys(after).length &&
    names.every((name) => name in after && Object.is(before[name], after[name]))
  );
}

export function useSyncExternalStore<T>(
  subscribe: (onChange: () => void) => () => void,
  getSnapshot: () => T,
): T {
  const value = getSnapshot();
  const [, setSeen] = useState({ value });
  useLayoutEffect(() => {
    // The same object again renders nothing.
    const look = () => {
      const next = getSnapshot();
      setSeen((seen) => (Object.is(seen.value, next) ? seen : { value: next }));
    };
    look();
    return subscribe(look);
  }, [subscribe, getSnapshot]);
  return value;
}

export interface Root {
  render(view: VNode): void;
  unmount(): void;
}

export function createRoot(container: ShadowRoot): Root {
  return {
    render: (view) => render(view, container),
    unmount: () => render(null, container),
  };
}

// React calls `onChange` of a text field at each letter, and wraps events.
const { vnode: lastVnode, event: lastEvent } = options;
options.vnode = (node) => {
  const props = node.props as { onChange?: unknown; onInput?: unknown };
  if (node.type === 'textarea') props.onInput ??= props.onChange;
  lastVnode?.(node);
};
options.event = (event) => Object.assign(lastEvent?.(event) ?? event, { nativeEvent: event });
