import { runTask } from '#composition/run-task.ts';
import { extractCan } from './extract-can.ts';

await runTask(extractCan);
