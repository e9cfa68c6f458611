import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** One process the supervisor keeps alive. */
export interface ProcessDefinition {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** How long it may take until it prints its ready line. */
  readonly readyWithinMs: number;
}

export interface RunningProcess {
  readonly name: string;
  readonly pid: number;
  readonly restarts: number;
  /** The script on its command line, by which it is recognised when whoever started it is gone. */
  readonly script: string;
}

/** In milliseconds. */
export interface SupervisorTimes {
  /** Waits before the restarts of a process that keeps dying; the last one repeats. */
  readonly restartDelaysMs: readonly [number, ...number[]];
  /** A process that lived this long has recovered: its next death starts the delays anew. */
  readonly recoveredAfterMs: number;
  /** A process that was asked to end and has not by then is killed. */
  readonly stopWithinMs: number;
}

/** A process that never became ready; `output` holds its last words. */
export class StartFailure extends Error {
  override readonly name = 'StartFailure';
  constructor(processName: string, what: string, output: string) {
    super(`${processName} ${what}${output === '' ? '' : `:\n${output.trimEnd()}`}`);
  }
}

const SUPERVISOR_TIMES: SupervisorTimes = {
  restartDelaysMs: [0, 250, 1000, 5000],
  recoveredAfterMs: 30_000,
  stopWithinMs: 15_000,
};
const LAST_WORDS_BYTES = 4000;

/**
 * Starts processes, restarts whatever of them dies, and stops them in the reverse order. A process says that it
 * is ready by a JSON line with `"ready": true` on its standard output; everything it prints goes to its log file.
 */
export class Supervisor {
  readonly #logFolder: string;
  readonly #onChange: () => void;
  readonly #times: SupervisorTimes;
  readonly #supervised: Supervised[] = [];

  /** @param onChange called whenever `running()` says something else. */
  constructor(logFolder: string, onChange: () => void, times: SupervisorTimes = SUPERVISOR_TIMES) {
    mkdirSync(logFolder, { recursive: true });
    this.#logFolder = logFolder;
    this.#onChange = onChange;
    this.#times = times;
  }

  /**
   * Resolves when the process is ready.
   * @returns how long that took, in milliseconds. @throws {StartFailure} when it exits or stays silent instead.
   */
  async start(definition: ProcessDefinition): Promise<number> {
    const supervised = new Supervised(
      definition,
      join(this.#logFolder, `${definition.name}.log`),
      this.#onChange,
      this.#times,
    );
    this.#supervised.push(supervised);
    return supervised.start();
  }

  running(): readonly RunningProcess[] {
    return this.#supervised.flatMap((supervised) => supervised.running() ?? []);
  }

  /** Asks each to end, last started first; kills those that do not. */
  async stop(): Promise<void> {
    for (const supervised of this.#supervised.toReversed()) await supervised.stop();
  }
}

class Supervised {
  readonly #definition: ProcessDefinition;
  readonly #logPath: string;
  readonly #onChange: () => void;
  readonly #times: SupervisorTimes;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #startedAt = 0;
  #restarts = 0;
  #recentDeaths = 0;
  #stopping = false;

  constructor(definition: ProcessDefinition, logPath: string, onChange: () => void, times: SupervisorTimes) {
    this.#definition = definition;
    this.#logPath = logPath;
    this.#onChange = onChange;
    this.#times = times;
  }

  running(): RunningProcess | undefined {
    const pid = this.#child?.pid;
    if (pid === undefined) return undefined;
    const { name, command } = this.#definition;
    return { name, pid, restarts: this.#restarts, script: command[1] ?? command[0] };
  }

  async start(): Promise<number> {
    await this.#launch();
    const readyAfterMs = performance.now() - this.#startedAt;
    void this.#keepAlive();
    return readyAfterMs;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const child = this.#child;
    if (child === undefined) return;
    child.kill('SIGTERM');
    const killer = setTimeout(() => child.kill('SIGKILL'), this.#times.stopWithinMs);
    await this.#exited;
    clearTimeout(killer);
  }

  async #keepAlive(): Promise<void> {
    for (;;) {
      await this.#exited;
      if (this.#stopping) return;
      const livedMs = performance.now() - this.#startedAt;
      const { restartDelaysMs, recoveredAfterMs } = this.#times;
      this.#recentDeaths = livedMs > recoveredAfterMs ? 1 : this.#recentDeaths + 1;
      await sleep(restartDelaysMs[Math.min(this.#recentDeaths, restartDelaysMs.length) - 1] ?? 0);
      if (this.#stopping) return;
      this.#restarts += 1;
      try {
        await this.#launch();
      } catch (error) {
        // It died again before it was ready. Its log says why; the next attempt follows after a longer wait.
        if (!(error instanceof StartFailure)) throw error;
      }
    }
  }

  async #launch(): Promise<void> {
    const [program, ...rest] = this.#definition.command;
    const log = createWriteStream(this.#logPath, { flags: 'a' });
    const child = spawn(program, rest, {
      env: this.#definition.environment,
      stdio: ['ignore', 'pipe', 'pipe'],
      // Its own group: Ctrl-C reaches the supervisor alone, which then stops everything in order.
      detached: true,
    });
    this.#child = child;
    this.#startedAt = performance.now();
    this.#onChange();
    this.#exited = new Promise((resolve) => {
      child.once('close', () => {
        log.end();
        this.#child = undefined;
        this.#onChange();
        resolve();
      });
    });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    await readyLineOf(child, this.#definition);
    this.#onChange();
  }
}

/** Resolves at the ready line. @throws {StartFailure} when the process ends, cannot be started, or stays silent. */
function readyLineOf(child: ChildProcess, definition: ProcessDefinition): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = '';
    const take = (chunk: Buffer) => {
      output += chunk.toString('utf8');
      if (/^\{.*"ready":\s*true.*\}$/m.test(output)) settle(resolve);
    };
    const settle = (then: () => void) => {
      clearTimeout(timer);
      child.stdout?.off('data', take);
      child.stderr?.off('data', take);
      child.off('exit', ended);
      then();
    };
    const fail = (what: string) =>
      settle(() => reject(new StartFailure(definition.name, what, output.slice(-LAST_WORDS_BYTES))));
    const ended = (code: number | null) => fail(`ended with exit code ${code} before it was ready`);
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      fail(`was not ready within ${definition.readyWithinMs / 1000} s`);
    }, definition.readyWithinMs);
    child.once('exit', ended);
    child.once('error', (error) => fail(`could not be started: ${error.message}`));
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
  });
}
