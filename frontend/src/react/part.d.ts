import 'react';

declare module 'react' {
  interface HTMLAttributes<T> {
    /** Names this element for `::part()` where the window sits in a shadow root. */
    part?: string;
  }
}
