import { runTask } from '#composition/run-task.ts';
import { packageFrames } from './package-frames.ts';

await runTask(packageFrames);
