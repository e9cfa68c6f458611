// Azure Storage on loopback: Azurite with a server before it in the same process. Everybody talks to that, path style
// (`http://127.0.0.1:<port>/<account>`), for the blob and the dfs endpoint alike. The proxy adds what Azurite lacks:
// events for Event Grid, the data lake operations, the time a rehydration takes, and faults on demand.
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import {
  closeServer,
  createLoopbackServer,
  listenOnLoopback,
  type RunningEmulator,
  type TlsIdentity,
} from '../emulator-process.ts';
import { commitFaultBeforeExecution, FaultPlan, serveFaultControl } from '../faults.ts';
import { readBody } from '../http-messages.ts';
import { startAzurite } from './azurite.ts';
import { AzuriteClient } from './azurite-client.ts';
import { BATCH_BODY_BYTES_MAX, blobsDeletedByBatch, isBlobBatch } from './batch-delete.ts';
import type { BlobFacts } from './blob-event.ts';
import { type BlobOperation, blobAddress, blobOperation } from './blob-operation.ts';
import { DataLake } from './data-lake.ts';
import { dataLakeOperation } from './data-lake-operation.ts';
import { EventOutbox } from './event-outbox.ts';
import { forward, passOn, type Serve } from './hand-over.ts';
import { Rehydrations } from './rehydration.ts';
import { type Cause, StorageEvents } from './storage-events.ts';

export interface StorageAccount {
  readonly name: string;
  /** Base64, as the portal shows it. */
  readonly key: string;
  /** Raises the events of an account with a hierarchical namespace. */
  readonly hierarchical?: boolean | undefined;
  /** False for an account without a system topic in Event Grid: nobody hears of its blobs. True by default. */
  readonly events?: boolean | undefined;
}

export interface StorageOptions {
  readonly accounts: readonly StorageAccount[];
  /** Azurite's files, and the events that are not sent yet. */
  readonly dataFolder: string;
  /** The proxy's port; 0, the default, takes a free one. */
  readonly port?: number | undefined;
  /** Azurite's own port, which nobody else needs; 0 by default. */
  readonly azuritePort?: number | undefined;
  /** The Event Grid emulator, for example `http://127.0.0.1:10090`. Without it no events are raised. */
  readonly eventGridEndpoint?: string | undefined;
  /** How long a blob takes from the Archive tier to an online tier; 0, the default, is at once. */
  readonly archiveRehydrateSeconds?: number | undefined;
  /** Serves https instead of http. */
  readonly tls?: TlsIdentity | undefined;
  /** Accepts bearer tokens, unsigned as Azurite's basic OAuth does; needs `tls`. */
  readonly oauth?: boolean | undefined;
}

export interface RunningStorage extends RunningEmulator {
  /** The proxy's address; an account is reached at `${endpoint}/${account.name}`. */
  readonly endpoint: string;
  readonly azuritePort: number;
  readonly faults: FaultPlan;
  /** Events that Event Grid has not accepted yet. */
  pendingEventCount(): number;
}

/** Starts Azurite and the proxy. Throws `PortTakenError`. */
export async function startStorage(options: StorageOptions): Promise<RunningStorage> {
  if (options.oauth === true && options.tls === undefined)
    throw new Error('Storage accepts bearer tokens over https only: pass tls together with oauth.');
  const accountKeys = new Map(options.accounts.map(({ name, key }) => [name, key]));
  const azurite = await startAzurite({
    accountKeys,
    dataFolder: options.dataFolder,
    port: options.azuritePort ?? 0,
    tls: options.tls,
    oauth: options.oauth ?? false,
  });
  const client = new AzuriteClient(azurite.port, options.tls !== undefined, accountKeys);
  const outbox = new EventOutbox(options.dataFolder, options.eventGridEndpoint);
  let endpoint = '';
  const silentAccounts = options.accounts.filter((account) => account.events === false);
  const events = new StorageEvents(
    client,
    outbox,
    () => endpoint,
    new Set(silentAccounts.map(({ name }) => name)),
  );
  const rehydrations = new Rehydrations(
    client,
    events,
    options.dataFolder,
    options.archiveRehydrateSeconds ?? 0,
  );
  const accounts = new Map(
    options.accounts.map(({ name, key, hierarchical }) => [
      name,
      { name, key, hierarchical: hierarchical ?? false },
    ]),
  );
  const faults = new FaultPlan();
  const front = new StorageFront(
    azurite.serve,
    client,
    events,
    rehydrations,
    new DataLake(client, events, accounts),
    faults,
  );
  const server = createLoopbackServer(options.tls, (request, response) => front.serve(request, response));
  // An upload of a recording may take longer than the five minutes Node allows a request.
  server.requestTimeout = 0;
  const close = async (): Promise<void> => {
    await closeServer(server);
    await outbox.close();
    rehydrations.close();
    client.close();
    await azurite.close();
  };
  try {
    const port = await listenOnLoopback(server, options.port ?? 0);
    endpoint = `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
    rehydrations.resume();
    return {
      port,
      endpoint,
      azuritePort: azurite.port,
      faults,
      pendingEventCount: () => outbox.pendingCount(),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

class StorageFront {
  readonly #serveBlobs: Serve;
  readonly #azurite: AzuriteClient;
  readonly #events: StorageEvents;
  readonly #rehydrations: Rehydrations;
  readonly #dataLake: DataLake;
  readonly #faults: FaultPlan;

  constructor(
    serveBlobs: Serve,
    azurite: AzuriteClient,
    events: StorageEvents,
    rehydrations: Rehydrations,
    dataLake: DataLake,
    faults: FaultPlan,
  ) {
    this.#serveBlobs = serveBlobs;
    this.#azurite = azurite;
    this.#events = events;
    this.#rehydrations = rehydrations;
    this.#dataLake = dataLake;
    this.#faults = faults;
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    this.#serve(request, response).catch((error: unknown) => {
      console.error(`storage: ${request.method} ${request.url} failed:`, error);
      response.destroy();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (await serveFaultControl(this.#faults, request, response)) return;
    const fault = this.#faults.next(request);
    if (fault !== undefined && (await commitFaultBeforeExecution(fault, response))) return;
    const loseAnswer = fault?.kind === 'lost-answer';
    const method = request.method ?? '';
    const target = request.url ?? '';
    const dataLake = dataLakeOperation(method, target, request.headers);
    if (dataLake !== undefined) return this.#dataLake.serve(dataLake, request, response, loseAnswer);
    if (isBlobBatch(method, target)) return this.#forwardBatch(request, response, loseAnswer);
    const tier = request.headers['x-ms-access-tier'];
    const parameters = new URL(target, 'http://127.0.0.1').searchParams;
    if (method === 'PUT' && parameters.get('comp') === 'tier' && typeof tier === 'string')
      return this.#forwardTier(request, response, tier, loseAnswer);
    this.#forwardBlobRequest(request, response, loseAnswer);
  }

  #forwardBlobRequest(request: IncomingMessage, response: ServerResponse, loseAnswer: boolean): void {
    const method = request.method ?? '';
    const target = request.url ?? '';
    const isRead = method === 'GET' || method === 'HEAD';
    if (isRead && !loseAnswer) {
      passOn(this.#serveBlobs, request, response, this.#rehydrations.headersFor(target.split('?')[0] ?? ''));
      return;
    }
    forward(this.#serveBlobs, request, response, {
      loseAnswer,
      beforeRelease: async (status, answer) => {
        const operation = blobOperation(method, target, request.headers, status);
        if (operation === undefined) return;
        this.#rehydrations.forget(operation.path);
        const cause = causeOf(operation, request, answer);
        if (operation.change === 'deleted') this.#events.deleted(cause, 'DeleteBlob');
        else if (operation.api !== 'DeleteBlob')
          await this.#events.created(cause, operation.api, factsOfPut(operation, request, answer));
      },
    });
  }

  async #forwardTier(
    request: IncomingMessage,
    response: ServerResponse,
    tier: string,
    loseAnswer: boolean,
  ): Promise<void> {
    const address = blobAddress(request.url ?? '');
    if (address !== undefined && this.#rehydrations.isPending(address.path)) {
      const code = 'BlobBeingRehydrated';
      const message = 'This operation is not permitted because the blob is being rehydrated.';
      request.resume();
      response.writeHead(409, { 'x-ms-error-code': code, 'content-type': 'application/xml' });
      response.end(
        `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`,
      );
      return;
    }
    const takesTime = address !== undefined && (await this.#rehydrations.isRehydration(address, tier));
    const priority = String(request.headers['x-ms-rehydrate-priority'] ?? 'Standard');
    forward(this.#serveBlobs, request, response, {
      loseAnswer,
      beforeRelease: async (status, answer) => {
        if (status >= 300 || address === undefined) return;
        if (takesTime) await this.#rehydrations.begin(address, tier, priority);
        else await this.#events.tierChanged(causeOf(address, request, answer));
      },
    });
  }

  async #forwardBatch(
    request: IncomingMessage,
    response: ServerResponse,
    loseAnswer: boolean,
  ): Promise<void> {
    // The only bodies that are held in memory: both are small, and both are needed to know what was deleted.
    const requestBody = await readBody(request, BATCH_BODY_BYTES_MAX);
    const answer = await this.#azurite.relay(request, requestBody);
    const answerBody = await readBody(answer, 2 * BATCH_BODY_BYTES_MAX);
    for (const address of blobsDeletedByBatch(
      requestBody.toString('latin1'),
      answerBody.toString('latin1'),
    )) {
      this.#rehydrations.forget(address.path);
      this.#events.deleted(causeOf(address, request, answer.headers), 'DeleteBlob');
    }
    if (loseAnswer) response.destroy();
    else response.writeHead(answer.statusCode ?? 502, answer.rawHeaders).end(answerBody);
  }
}

function causeOf(address: Cause['address'], request: IncomingMessage, answer: OutgoingHttpHeaders): Cause {
  const clientRequestId = request.headers['x-ms-client-request-id'];
  return {
    address,
    clientRequestId: clientRequestId === undefined ? undefined : String(clientRequestId),
    requestId: String(answer['x-ms-request-id'] ?? ''),
  };
}

/** What a block blob that was put in one request is like; undefined for a request that does not say it all. */
function factsOfPut(
  { api }: BlobOperation,
  { headers }: IncomingMessage,
  answer: OutgoingHttpHeaders,
): BlobFacts | undefined {
  const contentLength = headers['content-length'];
  if (api !== 'PutBlob' || headers['x-ms-blob-type'] !== 'BlockBlob') return undefined;
  if (contentLength === undefined || headers['x-ms-copy-source'] !== undefined) return undefined;
  return {
    eTag: String(answer['etag'] ?? '').replaceAll('"', ''),
    contentType: String(
      headers['x-ms-blob-content-type'] ?? headers['content-type'] ?? 'application/octet-stream',
    ),
    contentLength: Number(contentLength),
    blobType: 'BlockBlob',
    accessTier: String(headers['x-ms-access-tier'] ?? 'Default'),
  };
}
