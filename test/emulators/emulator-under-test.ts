// An emulator as the process it is in the running product, to be killed and started again.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export class EmulatorUnderTest {
  readonly port: number;
  readonly #child: ChildProcess;

  /** Starts `emulators/<service>/main.ts` and waits for its ready line. Throws with its stderr when it ends instead. */
  static async start(service: string, flags: readonly string[]): Promise<EmulatorUnderTest> {
    const main = fileURLToPath(new URL(`../../emulators/${service}/main.ts`, import.meta.url));
    const child = spawn(process.execPath, [main, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
    let complaint = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint += text;
    });
    const ended = once(child, 'close').then(([code]) => {
      throw new Error(`exit ${code}: ${complaint}`);
    });
    const line = once(createInterface(child.stdout), 'line').then(([text]) => String(text));
    const ready = JSON.parse(await Promise.race([line, ended])) as {
      ready: boolean;
      service: string;
      port: number;
    };
    // From here on the end of the process is the test's doing.
    ended.catch(() => undefined);
    if (!ready.ready || ready.service !== service)
      throw new Error(`Not a ready line: ${JSON.stringify(ready)}`);
    return new EmulatorUnderTest(child, ready.port);
  }

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Ends the process and returns its exit code, or the signal that ended it. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | string> {
    if (this.#child.exitCode !== null) return this.#child.exitCode;
    if (this.#child.signalCode !== null) return this.#child.signalCode;
    const exited = once(this.#child, 'exit');
    this.#child.kill(signal);
    const [code, by] = await exited;
    return code ?? by;
  }
}
