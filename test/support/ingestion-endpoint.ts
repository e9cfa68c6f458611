import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { selfSignedCertificate } from './self-signed-certificate.ts';

/** An item as Application Insights takes it: the envelope of "Breeze" 2.1. */
export interface Item {
  readonly name: string;
  readonly iKey: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly data: {
    readonly baseType: string;
    readonly baseData: {
      readonly id?: string;
      readonly name?: string;
      readonly type?: string;
      readonly target?: string;
      readonly success?: boolean;
      readonly properties?: Readonly<Record<string, string>>;
      readonly measurements?: Readonly<Record<string, number>>;
      readonly metrics?: readonly { readonly name: string; readonly value: number; readonly count: number }[];
    };
  };
}

export interface IngestionEndpoint {
  readonly connectionString: string;
  /** PEM; whom processes must trust. */
  readonly certificate: string;
  /** What a process must be started with, so that it sends here. */
  readonly environment: Readonly<Record<string, string>>;
  readonly items: readonly Item[];
  /** The header of each request, '' where there was none. */
  readonly authorizations: readonly string[];
  named(name: string): readonly Item[];
  /** Data points of a metric. */
  metric(name: string): readonly Item[];
  close(): Promise<void>;
}

/**
 * Application Insights' ingestion endpoint on loopback: takes what comes to `/v2.1/track` and keeps it. It speaks TLS,
 * because the exporter makes https of every address it is given.
 */
export async function startIngestionEndpoint(): Promise<IngestionEndpoint> {
  const certificate = selfSignedCertificate();
  const items: Item[] = [];
  const authorizations: string[] = [];
  const listener: RequestListener = (request, response) => {
    bodyOf(request).then(
      (body) => {
        if (request.url !== '/v2.1/track') return response.writeHead(404).end();
        const received = JSON.parse(body) as Item[];
        items.push(...received);
        authorizations.push(request.headers.authorization ?? '');
        const answer = { itemsReceived: received.length, itemsAccepted: received.length, errors: [] };
        return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
      },
      (error: unknown) => response.writeHead(400).end(String(error)),
    );
  };
  const server = createServer(certificate, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const connectionString = `InstrumentationKey=00000000-0000-0000-0000-000000000001;IngestionEndpoint=${address}`;
  const folder = mkdtempSync(join(tmpdir(), 'landfall-ingestion-'));
  writeFileSync(join(folder, 'ca.pem'), certificate.cert);
  return {
    connectionString,
    certificate: certificate.cert,
    environment: {
      APPLICATIONINSIGHTS_CONNECTION_STRING: connectionString,
      NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem'),
    },
    items,
    authorizations,
    named: (name) => items.filter((item) => item.data.baseData.name === name),
    metric: (name) =>
      items.filter((item) => item.data.baseData.metrics?.some((metric) => metric.name === name) === true),
    close: () =>
      new Promise((resolve) => {
        rmSync(folder, { recursive: true });
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  return (request.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes).toString();
}
