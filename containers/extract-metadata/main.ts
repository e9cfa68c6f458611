import { runTask } from '#composition/run-task.ts';
import { extractMetadata } from './extract-metadata.ts';

await runTask(extractMetadata);
