export { type Dock, openDevtools } from './dock.ts';
export { mountPanel, type PanelOptions } from './panel.ts';
export { Recorder } from './recorder.ts';
export { isLate, isLive, type Step, type Timeline, timelinesOf } from './timeline.ts';
