import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunningStack } from '#test/acceptance/running-stack.ts';
import type { ProbedMemory } from './memory-probe.ts';

/** MiB. */
export interface ProcessMemory {
  /** Linux: `VmRSS` of /proc/<pid>/status. */
  readonly resident: number;
  /** What the heap holds after its garbage is collected; absent where no probe is loaded. */
  readonly heap?: number;
}

const MEBIBYTE = 1024 * 1024;
const PROBED_WITHIN_MS = 20_000;

/** Memory by process of the stack; `probeFolder` where the processes have the probe loaded. */
export async function processMemory(
  stack: RunningStack,
  probeFolder?: string,
): Promise<ReadonlyMap<string, ProcessMemory>> {
  const memory = new Map<string, ProcessMemory>();
  for (const { name, pid } of await stack.processes()) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const resident = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) / 1024;
    const probed = probeFolder === undefined ? undefined : await probe(pid, join(probeFolder, `${pid}.json`));
    memory.set(name, { resident, ...(probed === undefined ? {} : { heap: probed.heapUsed / MEBIBYTE }) });
  }
  return memory;
}

async function probe(pid: number, path: string): Promise<ProbedMemory | undefined> {
  await rm(path, { force: true });
  process.kill(pid, 'SIGUSR2');
  const deadline = Date.now() + PROBED_WITHIN_MS;
  while (Date.now() < deadline) {
    try {
      return JSON.parse(await readFile(path, 'utf8')) as ProbedMemory;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return undefined;
}

/** Memory at the start, at each quarter of the measurements, and at the end. */
export class MemoryCourse {
  static readonly POINTS = ['start', '1/4', '1/2', '3/4', 'end'] as const;
  readonly samples: ReadonlyMap<string, ProcessMemory>[] = [];
  readonly #sample: () => Promise<ReadonlyMap<string, ProcessMemory>>;
  readonly #total: number;

  constructor(total: number, sample: () => Promise<ReadonlyMap<string, ProcessMemory>>) {
    this.#total = total;
    this.#sample = sample;
  }

  async begin(): Promise<void> {
    this.samples.push(await this.#sample());
  }

  /** Call it whenever measurements have ended; a quarter that is passed is sampled once. @returns whether it was. */
  async progress(endedCount: number): Promise<boolean> {
    const quarters = Math.min(3, Math.floor((4 * endedCount) / this.#total));
    if (this.samples.length > quarters) return false;
    const sample = await this.#sample();
    while (this.samples.length <= quarters) this.samples.push(sample);
    return true;
  }

  async end(): Promise<void> {
    const sample = await this.#sample();
    while (this.samples.length < MemoryCourse.POINTS.length) this.samples.push(sample);
  }
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
