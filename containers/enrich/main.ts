import { runTask } from '#composition/run-task.ts';
import { enrichTable } from './enrich-table.ts';

await runTask(enrichTable);
