import { createContext, useContext } from 'react';
import { en, type Strings } from './en.ts';

export const StringsContext = createContext<Strings>(en);

export function useStrings(): Strings {
  return useContext(StringsContext);
}

/** The given words, and English for the rest. */
export function stringsOf(given: Partial<Strings> | undefined): Strings {
  return given ? { ...en, ...given } : en;
}
