// The HTTP face of the emulator: reads requests, groups their commits, sends answers.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { commitFaultBeforeExecution, type Fault, FaultPlan, serveFaultControl } from '../faults.ts';
import type { Answer, CosmosRequest } from './answer.ts';
import { authorizationCheck, WELL_KNOWN_KEY } from './authorization.ts';
import { execute } from './gateway.ts';
import { badRequest, CosmosRefusal, requestTooLarge } from './refusal.ts';
import { QueryRefusal } from './sql/refusal.ts';
import { Store } from './store.ts';

/** More than the largest document or batch with its JSON escapes; beyond, reading stops. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;

/** How often documents whose time to live is over are removed from the file; they are invisible before. */
const SWEEP_INTERVAL_MS = 60_000;

export interface CosmosOptions {
  /** Where `cosmos.sqlite` lies; absent: everything is in memory. */
  readonly dataFolder?: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** Base64; absent: the key that is published for emulators. */
  readonly key?: string;
  /** PEM texts; given, the emulator speaks https. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** The clock in milliseconds since 1970, for tests of time to live. */
  readonly now?: () => number;
}

export interface CosmosEmulator {
  readonly port: number;
  /** `http://127.0.0.1:8081` */
  readonly endpoint: string;
  readonly key: string;
  readonly faults: FaultPlan;
  /** Commits what is under way, closes all connections and the file. */
  close(): Promise<void>;
}

/**
 * Starts a Cosmos DB account (API for NoSQL, gateway mode) on loopback. Rejects when the port is taken (EADDRINUSE) or
 * another emulator holds the data folder.
 */
export async function startCosmos(options: CosmosOptions): Promise<CosmosEmulator> {
  const key = options.key ?? WELL_KNOWN_KEY;
  const now = options.now ?? Date.now;
  const store = new Store(fileOf(options.dataFolder));
  const faults = new FaultPlan();
  const gateway = new HttpGateway(store, key, now, options.tls === undefined ? 'http' : 'https');
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    serve(gateway, faults, request, response).catch((error: unknown) => response.destroy(asError(error)));
  };
  const server =
    options.tls === undefined ? http.createServer(listener) : https.createServer(options.tls, listener);
  server.keepAliveTimeout = 60_000;
  server.listen(options.port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (error) {
    store.close();
    throw error;
  }
  const sweep = setInterval(() => sweepExpired(store, now()), SWEEP_INTERVAL_MS);
  sweep.unref();
  const { port } = server.address() as AddressInfo;
  return {
    port,
    endpoint: `${gateway.scheme}://127.0.0.1:${port}`,
    key,
    faults,
    async close() {
      clearInterval(sweep);
      gateway.flush();
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
      store.close();
    },
  };
}

function fileOf(dataFolder: string | undefined): string {
  if (dataFolder === undefined) return ':memory:';
  mkdirSync(dataFolder, { recursive: true });
  return join(dataFolder, 'cosmos.sqlite');
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function sweepExpired(store: Store, nowMs: number): void {
  for (const container of store.allContainers()) {
    for (const row of store.expired(container, Math.floor(nowMs / 1000))) {
      store.deleteDocument(container, row);
    }
  }
  store.commit();
}

async function serve(
  gateway: HttpGateway,
  faults: FaultPlan,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.url?.startsWith('/control/') && (await serveFaultControl(faults, request, response))) return;
  const fault = faults.next(request);
  const body = await bodyOf(request);
  if (fault !== undefined && (await commitFaultBeforeExecution(withSubstatus(fault), response))) return;
  gateway.execute(request, body, (answer, activityId) => {
    if (fault?.kind === 'lost-answer') response.destroy();
    else send(response, answer, activityId);
  });
}

/** Clients take 429 for "request rate is large" by its substatus. */
function withSubstatus(fault: Fault): Fault {
  if (fault.kind !== 'status' || fault.status !== 429) return fault;
  return { ...fault, headers: { 'x-ms-substatus': '3200', ...fault.headers } };
}

/** Undefined when the body is too large. */
async function bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request) {
    sizeBytes += (chunk as Buffer).length;
    if (sizeBytes <= MAX_BODY_BYTES) chunks.push(chunk as Buffer);
  }
  return sizeBytes <= MAX_BODY_BYTES ? Buffer.concat(chunks) : undefined;
}

type Send = (answer: Answer, activityId: string) => void;

interface WaitingAnswer {
  readonly answer: Answer;
  readonly activityId: string;
  readonly send: Send;
}

/** Executes requests; answers wait for the commit of the turn of the event loop in which they were executed. */
class HttpGateway {
  readonly scheme: 'http' | 'https';
  readonly #store: Store;
  readonly #authorize: (request: CosmosRequest) => void;
  readonly #now: () => number;
  #waiting: WaitingAnswer[] = [];

  constructor(store: Store, key: string, now: () => number, scheme: 'http' | 'https') {
    this.#store = store;
    this.#authorize = authorizationCheck(key);
    this.#now = now;
    this.scheme = scheme;
  }

  execute(request: IncomingMessage, body: Buffer | undefined, send: Send): void {
    const activityId = randomUUID();
    const answer = this.#answerOf(request, body, activityId);
    if (!this.#store.hasUncommittedWrites) {
      send(answer, activityId);
      return;
    }
    this.#waiting.push({ answer, activityId, send });
    if (this.#waiting.length === 1) setImmediate(() => this.flush());
  }

  /** Commits, then sends what has waited for it; when the commit fails, everyone who waited hears so. */
  flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    let failure: CosmosRefusal | undefined;
    try {
      this.#store.commit();
    } catch (error) {
      failure = new CosmosRefusal(503, `The data file could not be written: ${asError(error).message}`);
    }
    for (const { answer, activityId, send } of waiting) {
      send(failure === undefined ? answer : refusalAnswer(failure, activityId), activityId);
    }
  }

  #answerOf(request: IncomingMessage, body: Buffer | undefined, activityId: string): Answer {
    try {
      if (body === undefined) throw requestTooLarge();
      const cosmosRequest = this.#requestOf(request, body);
      this.#authorize(cosmosRequest);
      return execute(this.#store, cosmosRequest);
    } catch (error) {
      const refusal = refusalOf(error);
      // Nobody foresaw this error, so nobody knows what the request had written: the whole turn is undone.
      if (refusal.status === 500) this.#failWaiting(refusal);
      return refusalAnswer(refusal, activityId);
    }
  }

  #failWaiting(refusal: CosmosRefusal): void {
    this.#store.rollback();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { activityId, send } of waiting) send(refusalAnswer(refusal, activityId), activityId);
  }

  #requestOf(request: IncomingMessage, bodyBytes: Buffer): CosmosRequest {
    const path = (request.url ?? '/').split('?')[0] ?? '';
    return {
      method: request.method ?? 'GET',
      segments: path.split('/').filter(Boolean).map(decodeURIComponent),
      headers: request.headers,
      bodyBytes,
      bodyText: bodyBytes.toString('utf8'),
      endpoint: `${this.scheme}://${request.headers.host ?? '127.0.0.1'}/`,
      nowMs: this.#now(),
    };
  }
}

function refusalOf(error: unknown): CosmosRefusal {
  if (error instanceof CosmosRefusal) return error;
  if (error instanceof QueryRefusal) return badRequest(error.toJsonText());
  if (error instanceof URIError) return badRequest('The path is not percent-encoded UTF-8.');
  if (error instanceof SyntaxError) return badRequest(`The body is not JSON: ${error.message}`);
  console.error(error);
  return new CosmosRefusal(500, `The emulator failed: ${asError(error).message}`);
}

function refusalAnswer(refusal: CosmosRefusal, activityId: string): Answer {
  return {
    status: refusal.status,
    body: refusal.bodyText(activityId),
    headers: { 'x-ms-substatus': String(refusal.substatus) },
    requestCharge: 1,
  };
}

function send(response: ServerResponse, answer: Answer, activityId: string): void {
  const body = answer.status === 204 || answer.status === 304 ? '' : (answer.body ?? '');
  response.writeHead(answer.status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'x-ms-activity-id': activityId,
    'x-ms-request-charge': String(Math.round(answer.requestCharge * 100) / 100),
    'x-ms-version': '2020-07-15',
    'x-ms-gatewayversion': '2.0.0',
    ...answer.headers,
  });
  response.end(body);
}
