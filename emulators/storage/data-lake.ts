// The dfs endpoint of accounts with a hierarchical namespace, carried out on Azurite's blob endpoint: a directory is a
// blob with the metadata hdi_isfolder, appended content is uncommitted blocks, a rename is a copy and a delete. What
// that cannot imitate: a rename of a directory is not atomic, parents are not created, and there are no access lists.
// "Path - Create", "Path - Update", "Path - Delete" in the Data Lake Storage Gen2 REST documentation.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { answerJson } from '../http-messages.ts';
import { hasValidSharedKey } from '../storage-shared-key.ts';
import type { AzuriteAnswer, AzuriteClient, Credential } from './azurite-client.ts';
import type { BlobAddress } from './blob-operation.ts';
import {
  conditions,
  contentHeaders,
  encodedPath,
  metadataOf,
  passedHeaders,
  propertiesAsMetadata,
  xmlText,
} from './data-lake-headers.ts';
import {
  appendedBlockName,
  type Block,
  type DataLakeOperation,
  flushedBlockList,
} from './data-lake-operation.ts';
import type { Cause, StorageEvents } from './storage-events.ts';

export interface DataLakeAccount {
  readonly name: string;
  readonly key: string;
  /** Without a hierarchical namespace the dfs endpoint works, and raises no events. */
  readonly hierarchical: boolean;
}

/** What the client is told when an operation cannot be carried out. */
class DataLakeError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly credential: Credential;
  readonly account: DataLakeAccount;
}

interface Outcome {
  readonly status: number;
  readonly headers: Record<string, string>;
}

const SAS_PARAMETERS =
  /^(sv|ss|srt|sp|st|se|spr|sip|sig|si|sr|sdd|sks|skv|skoid|sktid|skt|ske|saoid|suoid|scid|ses)$/;

export class DataLake {
  readonly #azurite: AzuriteClient;
  readonly #events: StorageEvents;
  readonly #accounts: ReadonlyMap<string, DataLakeAccount>;

  constructor(azurite: AzuriteClient, events: StorageEvents, accounts: ReadonlyMap<string, DataLakeAccount>) {
    this.#azurite = azurite;
    this.#events = events;
    this.#accounts = accounts;
  }

  /** Carries out the operation, raises its event, and answers unless `loseAnswer`. */
  async serve(
    operation: DataLakeOperation,
    request: IncomingMessage,
    response: ServerResponse,
    loseAnswer: boolean,
  ): Promise<void> {
    try {
      const exchange = this.#authorize(operation, request);
      const outcome = await this.#execute(operation, exchange);
      if (loseAnswer) response.destroy();
      else response.writeHead(outcome.status, outcome.headers).end();
    } catch (error) {
      if (!(error instanceof DataLakeError)) throw error;
      request.resume();
      const body = { error: { code: error.code, message: error.message } };
      answerJson(response, error.status, body, { 'x-ms-error-code': error.code });
    }
  }

  #execute(operation: DataLakeOperation, exchange: Exchange): Promise<Outcome> {
    switch (operation.kind) {
      case 'create-filesystem':
        return this.#createFilesystem(operation.path, exchange);
      case 'create':
        return this.#create(operation.address, operation.resource, exchange);
      case 'append':
        return this.#append(operation, exchange);
      case 'flush':
        return this.#flush(operation.address, operation.position, operation.close, exchange);
      case 'rename':
        return this.#rename(operation.source, operation.address, exchange);
      case 'delete':
        return this.#delete(operation.address, operation.recursive, exchange);
      case 'invalid':
        throw new DataLakeError(400, 'InvalidQueryParameterValue', operation.message);
    }
  }

  /** In whose name the blob requests go. A signature and a token are left for Azurite to check. */
  #authorize(operation: DataLakeOperation, request: IncomingMessage): Exchange {
    const name = 'address' in operation ? operation.address.account : operation.account;
    const account = this.#accounts.get(name);
    if (account === undefined)
      throw new DataLakeError(404, 'ResourceNotFound', `No account is named ${name}.`);
    const target = request.url ?? '';
    const authorization = request.headers.authorization ?? '';
    if (authorization.startsWith('Bearer '))
      return { request, account, credential: { kind: 'bearer', authorization } };
    const signature = new URLSearchParams(
      [...new URL(target, 'http://127.0.0.1').searchParams].filter(([parameter]) =>
        SAS_PARAMETERS.test(parameter),
      ),
    );
    if (signature.has('sig'))
      return { request, account, credential: { kind: 'sas', query: signature.toString() } };
    const signed = { method: request.method ?? '', target, headers: request.headers };
    if (!hasValidSharedKey(account.name, account.key, signed))
      throw new DataLakeError(
        403,
        'AuthenticationFailed',
        'The Shared Key signature does not fit the request.',
      );
    return { request, account, credential: { kind: 'account-key' } };
  }

  async #createFilesystem(path: string, { account, credential }: Exchange): Promise<Outcome> {
    const query = { restype: 'container' };
    const answer = await this.#azurite.send({
      account: account.name,
      method: 'PUT',
      path,
      query,
      credential,
    });
    return { status: 201, headers: passedHeaders(expectSuccess(answer)) };
  }

  async #create(address: BlobAddress, resource: 'file' | 'directory', exchange: Exchange): Promise<Outcome> {
    const { request, credential, account } = exchange;
    const answer = await this.#azurite.send({
      account: account.name,
      method: 'PUT',
      path: address.path,
      credential,
      headers: {
        'x-ms-blob-type': 'BlockBlob',
        ...contentHeaders(request),
        ...conditions(request),
        ...propertiesAsMetadata(request),
        ...(resource === 'directory' ? { 'x-ms-meta-hdi_isfolder': 'true' } : {}),
      },
    });
    expectSuccess(answer);
    const cause = causeOf(address, request, answer);
    if (account.hierarchical && resource === 'file') await this.#events.created(cause, 'CreateFile');
    if (account.hierarchical && resource === 'directory') this.#events.directoryCreated(cause);
    return { status: 201, headers: passedHeaders(answer) };
  }

  async #append(
    operation: Extract<DataLakeOperation, { kind: 'append' }>,
    exchange: Exchange,
  ): Promise<Outcome> {
    const { request, credential, account } = exchange;
    const { address, position } = operation;
    if ((await this.#azurite.blobFacts(account.name, address.path)) === undefined)
      throw new DataLakeError(
        404,
        'PathNotFound',
        `There is no file ${address.blob}: create it before appending.`,
      );
    const contentLength = request.headers['content-length'];
    if (contentLength === undefined)
      throw new DataLakeError(411, 'MissingContentLengthHeader', 'An append needs a Content-Length.');
    const md5 = request.headers['content-md5'];
    const answer = await this.#azurite.send({
      account: account.name,
      method: 'PUT',
      path: address.path,
      query: { comp: 'block', blockid: appendedBlockName(position) },
      credential,
      headers: {
        'content-length': contentLength,
        ...(md5 === undefined ? {} : { 'content-md5': String(md5) }),
      },
      body: request,
    });
    expectSuccess(answer);
    if (operation.flush) {
      await this.#flush(address, position + Number(contentLength), operation.close, exchange);
    }
    return { status: 202, headers: passedHeaders(answer) };
  }

  async #flush(address: BlobAddress, position: number, close: boolean, exchange: Exchange): Promise<Outcome> {
    const { request, credential, account } = exchange;
    const { name } = account;
    const properties = await this.#azurite.send({ account: name, method: 'HEAD', path: address.path });
    if (properties.status === 404)
      throw new DataLakeError(404, 'PathNotFound', `There is no file ${address.blob}.`);
    const { committed, uncommitted } = await this.#blocks(address);
    if (committed.length === 0 && Number(properties.headers['content-length']) > 0)
      throw new DataLakeError(
        409,
        'InvalidFlushOperation',
        `${address.blob} was written by the blob endpoint and cannot be appended to on the dfs endpoint.`,
      );
    const list = flushedBlockList(committed, uncommitted, position);
    if (list === undefined)
      throw new DataLakeError(
        400,
        'InvalidFlushPosition',
        `The appended content of ${address.blob} does not end at ${position}.`,
      );
    const names = [
      ...list.committed.map((block) => `<Committed>${block.name}</Committed>`),
      ...list.appended.map((block) => `<Uncommitted>${block.name}</Uncommitted>`),
    ];
    const answer = await this.#azurite.send({
      account: name,
      method: 'PUT',
      path: address.path,
      query: { comp: 'blocklist' },
      credential,
      headers: {
        'content-type': 'application/xml',
        'x-ms-blob-content-type': properties.headers['content-type'] ?? 'application/octet-stream',
        ...contentHeaders(request),
        ...conditions(request),
        ...metadataOf(properties),
      },
      body: `<?xml version="1.0" encoding="utf-8"?><BlockList>${names.join('')}</BlockList>`,
    });
    expectSuccess(answer);
    // A flush that leaves the file open raises nothing, so a file that is never closed never arrives.
    if (account.hierarchical && close)
      await this.#events.created(causeOf(address, request, answer), 'FlushWithClose');
    return { status: 200, headers: { ...passedHeaders(answer), 'content-length': '0' } };
  }

  async #rename(source: BlobAddress, destination: BlobAddress, exchange: Exchange): Promise<Outcome> {
    const { request, account } = exchange;
    const kind = await this.#kindOf(source);
    if (kind === undefined)
      throw new DataLakeError(
        404,
        'SourcePathNotFound',
        `There is no ${source.blob} in ${source.container} to rename.`,
      );
    let answer: AzuriteAnswer | undefined;
    if (kind.isBlob) answer = await this.#move(source, destination.path, exchange, conditions(request));
    if (kind.type === 'directory') {
      for (const path of await this.#pathsBelow(source)) {
        const below = path.slice(source.path.length);
        answer = await this.#move({ ...source, path }, destination.path + below, exchange, {});
      }
    }
    if (account.hierarchical)
      this.#events.renamed(causeOf(destination, request, answer), kind.type, source.path);
    return { status: 201, headers: { ...passedHeaders(answer), 'content-length': '0' } };
  }

  async #move(
    source: BlobAddress,
    destinationPath: string,
    { account, credential }: Exchange,
    headers: Record<string, string>,
  ): Promise<AzuriteAnswer> {
    const scheme = this.#azurite.secure ? 'https' : 'http';
    const copySource = `${scheme}://127.0.0.1:${this.#azurite.port}${source.path}`;
    const answer = await this.#azurite.send({
      account: account.name,
      method: 'PUT',
      path: destinationPath,
      credential,
      headers: { ...headers, 'x-ms-copy-source': copySource },
    });
    expectSuccess(answer);
    expectSuccess(
      await this.#azurite.send({ account: account.name, method: 'DELETE', path: source.path, credential }),
    );
    return answer;
  }

  async #delete(address: BlobAddress, recursive: boolean, exchange: Exchange): Promise<Outcome> {
    const { request, credential, account } = exchange;
    const kind = await this.#kindOf(address);
    if (kind === undefined) throw new DataLakeError(404, 'PathNotFound', `There is no ${address.blob}.`);
    const below = kind.type === 'directory' ? await this.#pathsBelow(address) : [];
    if (below.length > 0 && !recursive)
      throw new DataLakeError(
        409,
        'DirectoryNotEmpty',
        `${address.blob} holds ${below.length} paths: pass recursive=true to delete them too.`,
      );
    const paths = kind.isBlob ? [...below, address.path] : below;
    let answer: AzuriteAnswer | undefined;
    for (const path of paths) {
      answer = await this.#azurite.send({ account: account.name, method: 'DELETE', path, credential });
      expectSuccess(answer);
    }
    const cause = causeOf(address, request, answer);
    if (account.hierarchical && kind.type === 'file') this.#events.deleted(cause, 'DeleteFile');
    if (account.hierarchical && kind.type === 'directory') this.#events.directoryDeleted(cause, recursive);
    return { status: 200, headers: { 'content-length': '0' } };
  }

  /** What lies at a path: a directory may be a marker blob, or only the prefix of other blobs. */
  async #kindOf(address: BlobAddress): Promise<{ type: 'file' | 'directory'; isBlob: boolean } | undefined> {
    const { account, path } = address;
    const { status, headers } = await this.#azurite.send({ account, method: 'HEAD', path });
    if (status === 200)
      return { type: headers['x-ms-meta-hdi_isfolder'] === 'true' ? 'directory' : 'file', isBlob: true };
    return (await this.#pathsBelow(address)).length > 0 ? { type: 'directory', isBlob: false } : undefined;
  }

  /** The encoded paths of all blobs under a directory. */
  async #pathsBelow(directory: BlobAddress): Promise<string[]> {
    const { account, container, blob } = directory;
    const containerPath = `/${encodeURIComponent(account)}/${encodeURIComponent(container)}`;
    const paths: string[] = [];
    let marker = '';
    do {
      const query = { restype: 'container', comp: 'list', prefix: `${blob}/`, marker };
      const answer = expectSuccess(
        await this.#azurite.send({ account, method: 'GET', path: containerPath, query }),
      );
      for (const [, name = ''] of answer.body.matchAll(/<Name>([^<]*)<\/Name>/g))
        paths.push(`${directory.path}${encodedPath(xmlText(name).slice(blob.length))}`);
      marker = xmlText(/<NextMarker>([^<]*)<\/NextMarker>/.exec(answer.body)?.[1] ?? '');
    } while (marker !== '');
    return paths;
  }

  async #blocks({ account, path }: BlobAddress): Promise<{ committed: Block[]; uncommitted: Block[] }> {
    const query = { comp: 'blocklist', blocklisttype: 'all' };
    const { body } = expectSuccess(await this.#azurite.send({ account, method: 'GET', path, query }));
    const section = (name: string): Block[] => {
      const inner = new RegExp(`<${name}>([\\s\\S]*?)</${name}>`).exec(body)?.[1] ?? '';
      const found = inner.matchAll(/<Name>([^<]*)<\/Name>\s*<Size>(\d+)<\/Size>/g);
      return [...found].map(([, blockName = '', size]) => ({
        name: xmlText(blockName),
        sizeBytes: Number(size),
      }));
    };
    return { committed: section('CommittedBlocks'), uncommitted: section('UncommittedBlocks') };
  }
}

function expectSuccess(answer: AzuriteAnswer): AzuriteAnswer {
  if (answer.status < 300) return answer;
  const code = answer.headers['x-ms-error-code'] ?? 'InternalError';
  const message = /<Message>([^<]*)/.exec(answer.body)?.[1] ?? code;
  // The dfs endpoint speaks of paths where the blob endpoint speaks of blobs.
  throw new DataLakeError(answer.status, code.replace('Blob', 'Path'), message);
}

function causeOf(address: BlobAddress, request: IncomingMessage, answer: AzuriteAnswer | undefined): Cause {
  const clientRequestId = request.headers['x-ms-client-request-id'];
  return {
    address,
    clientRequestId: clientRequestId === undefined ? undefined : String(clientRequestId),
    requestId: answer?.headers['x-ms-request-id'] ?? '',
  };
}
