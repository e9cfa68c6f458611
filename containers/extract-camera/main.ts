import { runTask } from '#composition/run-task.ts';
import { extractCamera } from './extract-camera.ts';

await runTask(extractCamera);
