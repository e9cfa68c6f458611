// Requests of the storage emulator to the Azurite behind it: to look at a blob before an event is raised, and to carry
// out on the blob endpoint what a client asked for on the data lake endpoint.
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { readBody } from '../http-messages.ts';
import { sharedKeyAuthorization } from '../storage-shared-key.ts';
import type { BlobFacts } from './blob-event.ts';

/** In whose name a request is made. */
export type Credential =
  | { readonly kind: 'account-key' }
  | { readonly kind: 'sas'; readonly query: string }
  | { readonly kind: 'bearer'; readonly authorization: string };

export interface AzuriteRequest {
  readonly account: string;
  readonly method: string;
  /** `/account/container/blob`, encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream must come with a `content-length` header. */
  readonly body?: string | Readable;
  readonly credential?: Credential;
}

export interface AzuriteAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: string;
}

const API_VERSION = '2023-11-03';

export class AzuriteClient {
  readonly port: number;
  readonly secure: boolean;
  readonly agent: HttpAgent;
  readonly #accountKeys: ReadonlyMap<string, string>;

  constructor(port: number, secure: boolean, accountKeys: ReadonlyMap<string, string>) {
    this.port = port;
    this.secure = secure;
    this.#accountKeys = accountKeys;
    // The certificate is that of the proxy itself, and the peer is in this process.
    this.agent = secure
      ? new HttpsAgent({ keepAlive: true, rejectUnauthorized: false })
      : new HttpAgent({ keepAlive: true });
  }

  /** Sends a request and reads the whole answer. Every status is an answer; a broken connection throws. */
  async send(request: AzuriteRequest): Promise<AzuriteAnswer> {
    const credential = request.credential ?? { kind: 'account-key' };
    const query = new URLSearchParams(request.query).toString();
    const sas = credential.kind === 'sas' ? credential.query : '';
    const target = [request.path, [query, sas].filter((part) => part !== '').join('&')]
      .filter((part) => part !== '')
      .join('?');
    const bodyText = typeof request.body === 'string' ? request.body : undefined;
    const headers: Record<string, string> = {
      'x-ms-version': API_VERSION,
      'x-ms-date': new Date().toUTCString(),
      ...(request.body instanceof Readable
        ? {}
        : { 'content-length': String(Buffer.byteLength(bodyText ?? '')) }),
      ...request.headers,
    };
    if (credential.kind === 'bearer') headers['authorization'] = credential.authorization;
    if (credential.kind === 'account-key') {
      const key = this.#accountKeys.get(request.account);
      if (key === undefined) throw new Error(`The storage emulator has no account named ${request.account}.`);
      const signed = { method: request.method, target, headers };
      headers['authorization'] = sharedKeyAuthorization(request.account, key, signed);
    }
    const answer = await this.#exchange(request.method, target, headers, request.body);
    const body = await readBody(answer);
    return {
      status: answer.statusCode ?? 0,
      headers: answer.headers as Record<string, string | undefined>,
      body: body.toString('utf8'),
    };
  }

  /** Passes on a client's own request, whose body has been read, exactly as it came. */
  relay(request: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
    return this.#exchange(request.method ?? '', request.url ?? '', request.rawHeaders, body);
  }

  /** What a blob is like now; undefined when it is gone. */
  async blobFacts(account: string, path: string): Promise<BlobFacts | undefined> {
    const { status, headers } = await this.send({ account, method: 'HEAD', path });
    if (status !== 200) return undefined;
    return {
      eTag: (headers['etag'] ?? '').replaceAll('"', ''),
      contentType: headers['content-type'] ?? 'application/octet-stream',
      contentLength: Number(headers['content-length'] ?? 0),
      blobType: headers['x-ms-blob-type'] ?? 'BlockBlob',
      accessTier:
        headers['x-ms-access-tier-inferred'] === 'true'
          ? 'Default'
          : (headers['x-ms-access-tier'] ?? 'Default'),
    };
  }

  close(): void {
    this.agent.destroy();
  }

  #exchange(
    method: string,
    target: string,
    headers: Record<string, string> | string[],
    body: string | Buffer | Readable | undefined,
  ): Promise<IncomingMessage> {
    const request = this.secure ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          host: '127.0.0.1',
          port: this.port,
          method,
          path: target,
          headers,
          agent: this.agent,
          setHost: !Array.isArray(headers),
        },
        resolve,
      );
      outgoing.on('error', reject);
      if (body instanceof Readable) {
        body.on('error', (error) => outgoing.destroy(error));
        body.pipe(outgoing);
      } else outgoing.end(body);
    });
  }
}
