// Runs a task as a child process: resource files before, the program with its environment, output files after.
import { spawn } from 'node:child_process';
import { chmodSync, closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { TaskFailureInfo } from './documents.ts';

/** A task as it is run, by a child process or by the function a test gives. */
export interface RunnableTask {
  readonly jobId: string;
  readonly taskId: string;
  readonly poolId: string;
  readonly nodeId: string;
  readonly image: string | undefined;
  /** The task's command line, split; arguments for the image's program when there is an image. */
  readonly commandLine: readonly string[];
  /** What the emulator adds, and the settings of job and task. */
  readonly environment: Readonly<Record<string, string>>;
  /** Holds stdout.txt, stderr.txt and the folder wd. */
  readonly taskFolder: string;
  readonly workingFolder: string;
}

/** Runs a task and returns its exit code; stops early when the signal is aborted. */
export type RunTask = (task: RunnableTask, signal: AbortSignal) => Promise<number>;

/** A task could not be started, or its files not be moved. */
export class TaskSetupError extends Error {
  readonly failure: TaskFailureInfo;

  constructor(code: string, message: string) {
    super(message);
    this.name = 'TaskSetupError';
    this.failure = { category: 'UserError', code, message, details: [{ name: 'Message', value: message }] };
  }
}

/** The exit code of a program that a signal ended, as a shell gives it. */
const EXIT_CODE_KILLED = 137;

const PASSED_ON = ['PATH', 'NODE_OPTIONS', 'TMPDIR', 'SystemRoot'];
const PASSED_ON_PATHS = ['NODE_EXTRA_CA_CERTS', 'NODE_COMPILE_CACHE'];

/** The emulator's own environment as far as a task needs it; paths are made absolute, since a task runs elsewhere. */
export function inheritedEnvironment(): Record<string, string> {
  return Object.fromEntries(
    [...PASSED_ON, ...PASSED_ON_PATHS].flatMap((name) => {
      const value = process.env[name];
      if (value === undefined) return [];
      return [[name, PASSED_ON_PATHS.includes(name) ? resolve(value) : value]];
    }),
  );
}

/** Makes an empty folder for a run; what an earlier run of the task left is gone. */
export function prepareFolders(task: RunnableTask): void {
  rmSync(task.taskFolder, { recursive: true, force: true });
  mkdirSync(task.workingFolder, { recursive: true });
  chmodSync(task.workingFolder, 0o700);
}

/**
 * Starts the program in a process group of its own, tells its id, and returns the exit code. When the signal is aborted
 * the whole group is killed. Throws `TaskSetupError` when there is no such program.
 */
export async function runProgram(
  program: readonly string[],
  task: RunnableTask,
  signal: AbortSignal,
  onStarted: (processGroup: number) => void,
): Promise<number> {
  const [command = '', ...parameters] = program;
  const stdout = openSync(join(task.taskFolder, 'stdout.txt'), 'w');
  const stderr = openSync(join(task.taskFolder, 'stderr.txt'), 'w');
  try {
    return await new Promise<number>((resolve, reject) => {
      const child = spawn(command, parameters, {
        cwd: task.workingFolder,
        env: { ...task.environment },
        stdio: ['ignore', stdout, stderr],
        detached: true,
      });
      const kill = (): void => {
        if (child.pid !== undefined) killProcessGroup(child.pid);
      };
      signal.addEventListener('abort', kill, { once: true });
      child.on('spawn', () => {
        if (child.pid !== undefined) onStarted(child.pid);
        if (signal.aborted) kill();
      });
      child.on('error', (error) =>
        reject(
          new TaskSetupError('CommandProgramNotFound', `${command} cannot be started: ${error.message}`),
        ),
      );
      child.on('exit', (code) => {
        signal.removeEventListener('abort', kill);
        resolve(code ?? EXIT_CODE_KILLED);
      });
    });
  } finally {
    closeSync(stdout);
    closeSync(stderr);
  }
}

/** Kills what is left of a process group; that there is nothing left is fine. */
function killProcessGroup(processGroup: number): void {
  try {
    process.kill(-processGroup, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/**
 * Kills the process group a task had when the emulator was killed. The id may belong to somebody else by now, so a
 * leader that is alive must carry the task's id in its environment (where /proc shows it).
 */
export function killOrphans(processGroup: number, taskId: string): void {
  let environment: string | undefined;
  try {
    environment = readFileSync(`/proc/${processGroup}/environ`, 'utf8');
  } catch (error) {
    // No leader any more, or no /proc on this system: the group can only be the task's.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'EACCES') throw error;
  }
  if (environment === undefined || environment.split('\0').includes(`AZ_BATCH_TASK_ID=${taskId}`))
    killProcessGroup(processGroup);
}
