// Azurite's blob service inside this process: it starts faster than as a child, takes port 0, and close() returns when
// everything is on disk. Azurite keeps its metadata in memory and saves it every five seconds, less often when there is
// much of it: what was written in the last seconds before a kill -9 is gone, although it was acknowledged. A clean
// shutdown loses nothing.
import { mkdirSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { PortTakenError, type TlsIdentity } from '../emulator-process.ts';
import { type BlobDatabase, indexByName, saveNowAndThen } from './azurite-store.ts';

export interface AzuriteOptions {
  /** Account name to key, base64. */
  readonly accountKeys: ReadonlyMap<string, string>;
  readonly dataFolder: string;
  readonly port: number;
  readonly tls?: TlsIdentity | undefined;
  /** Accepts bearer tokens; needs `tls`, since Azurite refuses them over http. */
  readonly oauth: boolean;
}

export interface RunningAzurite {
  readonly port: number;
  /** Answers a request that came to another server of this process, as if it had come to Azurite's own port. */
  serve(request: IncomingMessage, response: ServerResponse): void;
  close(): Promise<void>;
}

interface BlobServer {
  readonly httpServer: {
    address(): AddressInfo;
    emit(event: 'request', request: IncomingMessage, response: ServerResponse): boolean;
  };
  readonly metadataStore: { readonly db: BlobDatabase };
  readonly extentMetadataStore: { readonly db: BlobDatabase };
  readonly accountDataStore: { getAccount(name: string): AzuriteAccount | undefined };
  start(): Promise<void>;
  close(): Promise<void>;
}

interface AzuriteAccount {
  readonly name: string;
  readonly key1: Buffer;
  readonly key2: undefined;
}

type Constructor<Instance> = new (...parameters: readonly unknown[]) => Instance;

const KEEP_ALIVE_SECONDS = 120;
const ANY_API_VERSION = true;

/** Starts Azurite on loopback over the files in `dataFolder`. Throws `PortTakenError`. */
export async function startAzurite(options: AzuriteOptions): Promise<RunningAzurite> {
  const { BlobServer, BlobConfiguration } = loadAzurite();
  mkdirSync(options.dataFolder, { recursive: true });
  const [certFile, keyFile] =
    options.tls === undefined ? ['', ''] : writeTls(options.dataFolder, options.tls);
  const server = new BlobServer(
    new BlobConfiguration(
      '127.0.0.1',
      options.port,
      KEEP_ALIVE_SECONDS,
      join(options.dataFolder, '__azurite_db_blob__.json'),
      join(options.dataFolder, '__azurite_db_blob_extent__.json'),
      [
        {
          locationId: 'Default',
          locationPath: join(options.dataFolder, '__blobstorage__'),
          maxConcurrency: 10,
        },
      ],
      false,
      undefined,
      false,
      undefined,
      false,
      ANY_API_VERSION,
      certFile,
      keyFile,
      '',
      options.oauth ? 'basic' : undefined,
    ),
  );
  // Azurite reads its accounts from an environment variable of the whole process; two of them in one test process
  // would overwrite each other's.
  const accounts = new Map(
    [...options.accountKeys].map(([name, key]) => [
      name,
      { name, key1: Buffer.from(key, 'base64'), key2: undefined },
    ]),
  );
  server.accountDataStore.getAccount = (name) => accounts.get(name);
  try {
    await server.start();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') throw new PortTakenError(options.port);
    throw error;
  }
  const databases = [server.metadataStore.db, server.extentMetadataStore.db];
  for (const database of databases) indexByName(database);
  const stopSaving = databases.map(saveNowAndThen);
  return {
    port: server.httpServer.address().port,
    serve: (request, response) => {
      server.httpServer.emit('request', request, response);
    },
    close: async () => {
      for (const stop of stopSaving) stop();
      await server.close();
    },
  };
}

function writeTls(dataFolder: string, tls: TlsIdentity): [certFile: string, keyFile: string] {
  const certFile = join(dataFolder, 'tls-cert.pem');
  const keyFile = join(dataFolder, 'tls-key.pem');
  writeFileSync(certFile, tls.cert);
  writeFileSync(keyFile, tls.key, { mode: 0o600 });
  return [certFile, keyFile];
}

function loadAzurite(): { BlobServer: Constructor<BlobServer>; BlobConfiguration: Constructor<object> } {
  const require = createRequire(import.meta.url);
  // Azurite loads the whole of applicationinsights (0.6 s, 50 MB) for a telemetry that stays off in process.
  const telemetry = require.resolve('applicationinsights', { paths: [require.resolve('azurite')] });
  const loaded = require.cache[telemetry];
  if (loaded === undefined) {
    require.cache[telemetry] = { exports: {}, loaded: true } as NodeJS.Module;
  }
  try {
    return {
      BlobServer: require('azurite/dist/src/blob/BlobServer').default,
      BlobConfiguration: require('azurite/dist/src/blob/BlobConfiguration').default,
    };
  } finally {
    if (loaded === undefined) delete require.cache[telemetry];
  }
}
