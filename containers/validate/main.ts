import { runTask } from '#composition/run-task.ts';
import { validateFiles } from './validate-files.ts';

await runTask(validateFiles);
