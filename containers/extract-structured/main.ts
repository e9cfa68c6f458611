import { runTask } from '#composition/run-task.ts';
import { extractStructured } from './extract-structured.ts';

await runTask(extractStructured);
