import { readFile } from 'node:fs/promises';
import type { RunningStack } from '#test/acceptance/running-stack.ts';

/** Resident memory by process of the stack, in MiB (Linux: `VmRSS` of /proc/<pid>/status). */
export async function residentMemory(stack: RunningStack): Promise<ReadonlyMap<string, number>> {
  const memory = new Map<string, number>();
  for (const { name, pid } of await stack.processes()) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    memory.set(name, Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) / 1024);
  }
  return memory;
}

/** Processor time used so far by process of the stack, in ms (fields 14 and 15 of /proc/<pid>/stat, 100 ticks a second). */
export async function processorTimes(stack: RunningStack): Promise<ReadonlyMap<string, number>> {
  const times = new Map<string, number>();
  for (const { name, pid } of await stack.processes()) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    times.set(name, (Number(fields[11]) + Number(fields[12])) * 10);
  }
  return times;
}
