import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Terminal } from '#adapters/cli/terminal.ts';

export interface ApiRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly body: unknown;
}

export interface ApiAnswer {
  readonly status: number;
  readonly body?: unknown;
  /** Instead of a body: what something in between may say. */
  readonly text?: string;
}

/** A metadata API that answers what a spec tells it to, and remembers what it was asked. */
export class FakeApi {
  readonly requests: ApiRequest[] = [];
  /** `GET /path` to the answer; the query is left out of the key. */
  readonly answers = new Map<string, ApiAnswer>();
  readonly #inTurn = new Map<string, ApiAnswer[]>();
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const { method = '', url = '' } = request;
        this.requests.push({ method, path: url, body: text === '' ? undefined : JSON.parse(text) });
        const { status, body, text: plain } = this.#answerTo(method, url);
        const type = plain === undefined ? 'application/json' : 'text/html';
        response.writeHead(status, { 'content-type': type });
        response.end(plain ?? (body === undefined ? undefined : JSON.stringify(body)));
      });
    });
  }

  /** One answer after the other; the last one stays. */
  answerInTurn(key: string, answers: readonly ApiAnswer[]): void {
    this.#inTurn.set(key, [...answers]);
  }

  #answerTo(method: string, url: string): ApiAnswer {
    const key = `${method} ${url.split('?')[0]}`;
    const turns = this.#inTurn.get(key);
    if (turns !== undefined) return turns.length > 1 ? turns.shift()! : turns[0]!;
    const missing = { title: 'not-found', detail: `There is no ${method} ${url}.` };
    return this.answers.get(key) ?? { status: 404, body: missing };
  }

  start(): Promise<string> {
    return new Promise((resolve) => {
      this.#server.listen(0, '127.0.0.1', () => {
        resolve(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`);
      });
    });
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}

/** Keeps what a command prints. */
export class RecordedTerminal implements Terminal {
  readonly printed: string[] = [];
  readonly notes: string[] = [];

  print(line: string): void {
    this.printed.push(line);
  }
  progress(): void {}
  note(line: string): void {
    this.notes.push(line);
  }

  get text(): string {
    return this.printed.join('\n');
  }
}
