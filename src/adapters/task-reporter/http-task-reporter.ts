import { RetryableFailure, TerminalFailure } from '#domain/failures.ts';
import type { TaskReportBody } from '#domain/tasks/task-report.ts';

const TRIES_MAX = 3;
const TRY_TIMEOUT_MS = 10_000;

/** Reports the end of a task to the metadata API. */
export class HttpTaskReporter {
  readonly #base: string;
  readonly #wait: (ms: number) => Promise<void>;
  readonly #token: (() => Promise<string>) | undefined;

  /** `base` is the address of the metadata API; `token` gives what it wants to see, absent where it wants nothing. */
  constructor(base: string, wait: (ms: number) => Promise<void>, token?: () => Promise<string>) {
    this.#base = base.replace(/\/$/, '');
    this.#wait = wait;
    this.#token = token;
  }

  /**
   * @throws {RetryableFailure} when there is no token, or the API did not answer, or answered with a server error, three times.
   * @throws {TerminalFailure} when it refused the report.
   */
  async report(taskId: string, body: TaskReportBody): Promise<void> {
    const address = `${this.#base}/tasks/${encodeURIComponent(taskId)}/report`;
    for (let tries = 1; ; tries++) {
      const problem = await this.#post(address, body);
      if (problem === undefined) return;
      if (tries === TRIES_MAX)
        throw new RetryableFailure(
          'dependency-unavailable',
          `the report of task ${taskId} was not taken by ${this.#base}: ${problem}`,
        );
      await this.#wait(tries * 1000);
    }
  }

  /** @returns what went wrong and may go well next time. */
  async #post(address: string, body: TaskReportBody): Promise<string | undefined> {
    let response: Response;
    try {
      response = await fetch(address, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(this.#token === undefined ? {} : { authorization: `Bearer ${await this.#token()}` }),
        },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(TRY_TIMEOUT_MS),
      });
    } catch (error) {
      // fetch says TypeError for every lost connection, DOMException for the timeout.
      if (error instanceof TypeError || error instanceof DOMException) return error.message;
      throw error;
    }
    const text = await response.text();
    if (response.ok) return undefined;
    const answer = `${response.status} ${text.slice(0, 500)}`;
    if (response.status >= 500 || response.status === 429) return answer;
    throw new TerminalFailure('not-allowed', `${address} refused the report: ${answer}`);
  }
}
