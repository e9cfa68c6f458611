import { setTimeout as delay } from 'node:timers/promises';
import { DefaultAzureCredential } from '@azure/identity';
import { assertHttps } from '../credentials.ts';

const ENDPOINT = 'https://management.azure.com';
const TRIES_MAX = 3;
const RETRY_AFTER_SECONDS_MAX = 20;
const ANSWER_WITHIN_MS = 30_000;

/** Resource Manager answered, and not with what was asked for. */
export class ResourceManagerError extends Error {
  override readonly name = 'ResourceManagerError';
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** A resource as lists show it; what is inside `properties` differs by type. */
export interface Resource<Properties = unknown> {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly properties: Properties;
}

/** Reads resources of a subscription (Azure Resource Manager REST API). It changes nothing. */
export class ResourceManager {
  readonly #endpoint: string;
  readonly #token: () => Promise<string>;

  /** @throws {Error} for an endpoint that a token could be read on the way to. */
  constructor(options: { readonly endpoint: string; readonly token: () => Promise<string> }) {
    if (new URL(options.endpoint).hostname !== '127.0.0.1') assertHttps(options.endpoint);
    this.#endpoint = options.endpoint.replace(/\/$/, '');
    this.#token = options.token;
  }

  /** @returns undefined when there is no such resource. @throws {ResourceManagerError} */
  async get<T>(path: string, apiVersion: string): Promise<T | undefined> {
    return this.#ask<T>(this.#url(path, apiVersion));
  }

  /** All pages of a list; empty when what it belongs to does not exist. @throws {ResourceManagerError} */
  async list<T>(path: string, apiVersion: string): Promise<readonly T[]> {
    const items: T[] = [];
    let next: string | undefined = this.#url(path, apiVersion);
    while (next !== undefined) {
      const page: Page<T> | undefined = await this.#ask<Page<T>>(next);
      items.push(...(page?.value ?? []));
      next = page?.nextLink;
      if (next !== undefined && !next.startsWith(`${this.#endpoint}/`))
        throw new Error(`The list of ${path} goes on at ${next}, which is not Resource Manager.`);
    }
    return items;
  }

  #url(path: string, apiVersion: string): string {
    return `${this.#endpoint}${path}${path.includes('?') ? '&' : '?'}api-version=${apiVersion}`;
  }

  async #ask<T>(url: string): Promise<T | undefined> {
    for (let tries = 1; ; tries++) {
      const answer = await fetch(url, {
        headers: { authorization: `Bearer ${await this.#token()}` },
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
      if (answer.ok) return (await answer.json()) as T;
      const text = await answer.text();
      if (answer.status === 404) return undefined;
      const mayPass = answer.status === 429 || answer.status >= 500;
      if (!mayPass || tries === TRIES_MAX)
        throw new ResourceManagerError(answer.status, `${new URL(url).pathname}: ${messageOf(text)}`);
      const afterSeconds = Number(answer.headers.get('retry-after') ?? 1);
      await delay(Math.min(afterSeconds, RETRY_AFTER_SECONDS_MAX) * 1000);
    }
  }
}

interface Page<T> {
  readonly value: readonly T[];
  readonly nextLink?: string;
}

/** `{ error: { code, message } }`, or whatever a gateway in between wrote. */
function messageOf(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: { code?: string; message?: string } };
    if (error !== undefined) return [error.code, error.message].filter(Boolean).join(': ');
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return text.slice(0, 200);
}

/**
 * As whoever is signed in here: a person (`az login`), a workflow, or the identity of an app. Processes of ours never
 * choose among credentials; a person who checks an environment may come by any of them.
 */
export function signedInResourceManager(): ResourceManager {
  const credential = new DefaultAzureCredential();
  return new ResourceManager({
    endpoint: ENDPOINT,
    async token() {
      const { token } = await credential.getToken(`${ENDPOINT}/.default`);
      return token;
    },
  });
}
