import { runTask } from '#composition/run-task.ts';
import { extractValidation } from './extract-validation.ts';

await runTask(extractValidation);
