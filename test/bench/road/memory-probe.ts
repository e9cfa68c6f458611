// Loaded into the processes of a stack under measurement (`NODE_OPTIONS=--import`): on SIGUSR2 a process collects its
// garbage and writes down what is left. Resident memory alone does not tell a leak from a heap that was not collected.
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Where each process writes `<pid>.json`. */
export const PROBE_FOLDER_VARIABLE = 'BENCH_MEMORY_FOLDER';

/** Bytes, after a full collection. */
export interface ProbedMemory {
  readonly heapUsed: number;
  /** Outside the heap, but held by it: buffers, compiled code of WebAssembly. */
  readonly external: number;
}

const folder = process.env[PROBE_FOLDER_VARIABLE];
if (folder !== undefined) {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  process.on('SIGUSR2', () => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    const path = join(folder, `${process.pid}.json`);
    writeFileSync(`${path}.part`, JSON.stringify({ heapUsed, external } satisfies ProbedMemory));
    renameSync(`${path}.part`, path);
  });
}
