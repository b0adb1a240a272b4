export { mountPanel } from './panel.ts';
export { Recorder } from './recorder.ts';
export { isLate, isLive, type Step, type Timeline, timelinesOf } from './timeline.ts';
