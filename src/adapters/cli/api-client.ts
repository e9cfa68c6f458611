import { CommandError, EXIT } from './exit-codes.ts';

/** The API does not answer, or cannot just now. Trying again later may help. */
export class ApiUnavailable extends CommandError {
  constructor(message: string) {
    super(message, EXIT.notReady);
  }
}

/** The metadata API as the command line uses it. */
export class ApiClient {
  readonly #base: string;
  readonly #token: string | undefined;

  /** `token` is sent where the API asks for one; a local stack does not. */
  constructor(base: string, token?: string) {
    this.#base = base;
    this.#token = token;
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
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (error) {
      // fetch reports every failure to connect as a TypeError with the socket's error as its cause.
      if (!(error instanceof TypeError)) throw error;
      const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
      throw new ApiUnavailable(
        `The metadata API at ${this.#base} does not answer${cause}. Start it with \`landfall up\`; that of a deployment (LANDFALL_API) answers inside its own network only.`,
      );
    }
  }
}

/** RFC 9457, "Problem Details for HTTP APIs". */
interface Problem {
  readonly title?: string;
  readonly detail?: string;
}

/** Bad gateway, service unavailable, gateway timeout. */
const TRANSIENT_STATUSES: readonly number[] = [502, 503, 504];

async function bodyOf(response: Response): Promise<unknown> {
  const text = await response.text();
  const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '');
  // Something between us and the API may answer in its own words.
  const body: unknown = isJson && text !== '' ? JSON.parse(text) : undefined;
  if (response.ok) return body;
  const { title, detail } = (body ?? {}) as Problem;
  const message =
    detail ?? title ?? `The metadata API answered ${response.status} ${response.statusText}`.trimEnd();
  throw TRANSIENT_STATUSES.includes(response.status)
    ? new ApiUnavailable(message)
    : new CommandError(message);
}
