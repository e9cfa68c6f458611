/** The HTTP port: health, faults on demand, and (in administration.ts) the Atom API of the administration clients. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import { createLoopbackServer, type TlsIdentity } from '../emulator-process.ts';
import { Administration } from './administration.ts';
import type { AmqpListener } from './amqp-listener.ts';
import type { Broker } from './broker.ts';
import type { EntityRegistry } from './entity-registry.ts';
import { type Faults, faultSchema } from './faults.ts';
import type { AccessKey } from './shared-access-signature.ts';

const MAX_BODY_BYTES = 1024 * 1024;

export interface AdminParts {
  readonly registry: EntityRegistry;
  readonly broker: Broker;
  readonly amqp: AmqpListener;
  readonly faults: Faults;
  readonly accessKey: AccessKey;
  readonly tls: TlsIdentity | undefined;
  readonly now: () => number;
  readonly namespaceName: string;
}

export interface AdminAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

export class AdminListener {
  readonly #parts: AdminParts;
  readonly #administration: Administration;
  readonly #server: Server;

  constructor(parts: AdminParts) {
    this.#parts = parts;
    this.#administration = new Administration(parts);
    this.#server = createLoopbackServer(parts.tls, (request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        response.writeHead(500, { 'content-type': 'text/plain' }).end(String(error));
      });
    });
  }

  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => resolve((this.#server.address() as AddressInfo).port));
    });
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    const answer =
      body === undefined
        ? json(413, { error: `The body is larger than ${MAX_BODY_BYTES} bytes.` })
        : this.#answer(request, body);
    response.writeHead(answer.status, { 'content-type': answer.contentType }).end(answer.body);
  }

  #answer(request: IncomingMessage, body: string): AdminAnswer {
    const url = new URL(request.url ?? '/', 'http://localhost');
    switch (`${request.method} ${url.pathname}`) {
      case 'GET /health':
        return json(200, {
          status: 'healthy',
          service: 'service-bus',
          connections: this.#parts.amqp.connectionCount(),
        });
      case 'GET /control/faults':
        return json(200, { faults: this.#parts.faults.pending() });
      case 'POST /control/faults':
        return this.#addFault(body);
      case 'DELETE /control/faults':
        this.#parts.faults.clear();
        return json(200, { faults: [] });
      case 'POST /control/connections/drop':
        return json(200, { dropped: this.#parts.amqp.dropConnections() });
      default:
        return this.#administer(request, url, body);
    }
  }

  #administer(request: IncomingMessage, url: URL, body: string): AdminAnswer {
    const { status, xml } = this.#administration.answer({
      method: request.method ?? 'GET',
      path: decodePath(url.pathname),
      query: url.searchParams,
      baseUrl: `${this.#parts.tls === undefined ? 'http' : 'https'}://${request.headers.host}`,
      authorization: request.headers.authorization,
      isUpdate: request.headers['if-match'] !== undefined,
      body,
    });
    return { status, contentType: 'application/atom+xml;type=entry;charset=utf-8', body: xml };
  }

  #addFault(body: string): AdminAnswer {
    let content: unknown;
    try {
      content = JSON.parse(body);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      return json(400, { error: `The body is not JSON: ${error.message}` });
    }
    const fault = faultSchema.safeParse(content);
    if (!fault.success) return json(400, { error: z.prettifyError(fault.error) });
    this.#parts.faults.add(fault.data);
    return json(201, { faults: this.#parts.faults.pending() });
  }
}

/** Decoded, without slashes at its ends. What is not percent-encoded properly names nothing, and stays as it is. */
function decodePath(pathname: string): string {
  const path = pathname.replace(/^\/+|\/+$/g, '');
  try {
    return decodeURIComponent(path);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return path;
  }
}

function json(status: number, content: object): AdminAnswer {
  return { status, contentType: 'application/json', body: JSON.stringify(content) };
}

async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request) {
    sizeBytes += (chunk as Buffer).length;
    if (sizeBytes > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}
