import { createAssistantClient } from '../../src/core/index.ts';
import { mountPanel, Recorder } from '../../src/devtools/index.ts';

const recorder = new Recorder();
const client = createAssistantClient({ hooks: recorder.hooks });
const unmount = mountPanel(document.getElementById('root') as HTMLElement, recorder);
Object.assign(globalThis, { client, recorder, unmount });
