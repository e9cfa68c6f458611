import { runTask } from '#composition/run-task.ts';
import { copyFiles } from './copy-files.ts';

await runTask(copyFiles);
