import { CommandError, EXIT } from './exit-codes.ts';

/** The metadata API as the command line uses it. */
export class ApiClient {
  readonly #base: string;

  constructor(base: string) {
    this.#base = base;
  }

  /** The body of a successful answer, or undefined for 404. */
  async find<T>(path: string): Promise<T | undefined> {
    const response = await this.#request('GET', path);
    if (response.status === 404) return undefined;
    return (await bodyOf(response)) as T;
  }

  async get<T>(path: string): Promise<T> {
    return (await bodyOf(await this.#request('GET', path))) as T;
  }

  async send<T>(method: 'POST' | 'PUT', path: string, body: unknown): Promise<T> {
    return (await bodyOf(await this.#request(method, path, body))) as T;
  }

  async #request(method: string, path: string, body?: unknown): Promise<Response> {
    try {
      return await fetch(`${this.#base}${path}`, {
        method,
        ...(body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      });
    } catch (error) {
      // fetch reports every failure to connect as a TypeError with the socket's error as its cause.
      if (!(error instanceof TypeError)) throw error;
      const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
      throw new CommandError(
        `The metadata API at ${this.#base} does not answer${cause}. Start it with \`landfall up\`.`,
        EXIT.notReady,
      );
    }
  }
}

/** RFC 9457, "Problem Details for HTTP APIs". */
interface Problem {
  readonly title?: string;
  readonly detail?: string;
}

async function bodyOf(response: Response): Promise<unknown> {
  const text = await response.text();
  const body: unknown = text === '' ? undefined : JSON.parse(text);
  if (response.ok) return body;
  const problem = body as Problem;
  throw new CommandError(problem.detail ?? problem.title ?? `the metadata API answered ${response.status}`);
}
