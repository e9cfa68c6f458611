import { runTask } from '#composition/run-task.ts';
import { extractLidar } from './extract-lidar.ts';

await runTask(extractLidar);
