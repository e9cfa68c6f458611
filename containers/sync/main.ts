import { runTask } from '#composition/run-task.ts';
import { synchronizeTables } from './synchronize-tables.ts';

await runTask(synchronizeTables);
