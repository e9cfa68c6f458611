import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalStack } from './local-stack.ts';
import { isRunning } from './process-identity.ts';
import type { RunningProcess } from './supervisor.ts';

/** `up.json` in the state folder: written while the stack is up, so that other commands find it. */
export interface UpFile {
  /** The process that started the others and restarts them. */
  readonly pid: number;
  /** What it was started with. */
  readonly script: string;
  readonly ready: boolean;
  readonly startedAt: string;
  readonly processes: readonly RunningProcess[];
}

const ENDED_WITHIN_MS = 15_000;

export function writeUpFile(stack: LocalStack, content: Omit<UpFile, 'pid' | 'script'>): void {
  const script = basename(process.argv[1] ?? process.argv0);
  const file: UpFile = { pid: process.pid, script, ...content };
  const path = upFilePath(stack);
  // Others read it at any time and must never find half of it.
  writeFileSync(`${path}.new`, JSON.stringify(file, null, 2));
  renameSync(`${path}.new`, path);
}

export function removeUpFile(stack: LocalStack): void {
  rmSync(upFilePath(stack), { force: true });
}

/** The running stack of this folder, or undefined; a file left by a killed process counts as not running. */
export function readUpFile(stack: LocalStack): UpFile | undefined {
  const content = recorded(stack);
  return content !== undefined && isRunning(content.pid, content.script) ? content : undefined;
}

/**
 * Ends the processes of a run that was killed, last started first: asks, waits, kills. Only those whose command line
 * is what was recorded; their ids may belong to other programs by now.
 * @returns their names.
 */
export async function endOrphans(stack: LocalStack): Promise<readonly string[]> {
  const content = recorded(stack);
  if (content === undefined || isRunning(content.pid, content.script)) return [];
  const ended: string[] = [];
  for (const { name, pid, script } of content.processes.toReversed()) {
    if (!isRunning(pid, script)) continue;
    process.kill(pid, 'SIGTERM');
    const deadline = performance.now() + ENDED_WITHIN_MS;
    while (isRunning(pid, script) && performance.now() < deadline) await sleep(50);
    if (isRunning(pid, script)) process.kill(pid, 'SIGKILL');
    ended.push(name);
  }
  removeUpFile(stack);
  return ended;
}

function recorded(stack: LocalStack): UpFile | undefined {
  try {
    return JSON.parse(readFileSync(upFilePath(stack), 'utf8')) as UpFile;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function upFilePath(stack: LocalStack): string {
  return join(stack.home, 'up.json');
}
