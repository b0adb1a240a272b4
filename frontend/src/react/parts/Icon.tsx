/** Drawn on a field of 20 by 20, with a line of 1.6. */
const PATHS = {
  send: 'M10 16V4.5M5 9.5l5-5 5 5',
  stop: 'M6.5 6.5h7v7h-7z',
  copy: 'M7.5 7.5h9v9h-9zM4.5 12.5h-1v-9h9v1',
  check: 'M4.5 10.5l3.5 3.5 7.5-8',
  retry: 'M15.5 9a5.7 5.7 0 1 0-.4 3.5M15.8 4.5V9h-4.5',
  edit: 'M4 16l.8-3.8 8.4-8.4 3 3-8.4 8.4z',
  down: 'M10 4.5v11M5.5 11l4.5 4.5 4.5-4.5',
  add: 'M10 4.5v11M4.5 10h11',
  close: 'M5.5 5.5l9 9M14.5 5.5l-9 9',
  devtools: 'M7 6l-4 4 4 4M13 6l4 4-4 4',
  info: 'M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM10 9.5v4M10 6.5v.1',
  file: 'M5.5 3.5h6l3.5 3.5v9.5h-9.5zM11 3.5V7.5h4',
  alert: 'M10 3.5l7 12.5H3zM10 8.5v3.5M10 14v.1',
} as const;

export type IconName = keyof typeof PATHS;

/** A sign beside words, or in a button that has a name of its own. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="assistant-icon" data-icon={name} viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
