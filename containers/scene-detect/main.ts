import { runTask } from '#composition/run-task.ts';
import { detectScenesInTable } from './detect-scenes.ts';

await runTask(detectScenesInTable);
