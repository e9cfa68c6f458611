// What every emulator needs to live as a process of its own or inside a test: a loopback port, a line that says it
// is ready, an understandable end when the port is taken, and a clean shutdown.
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** A key and its certificate as PEM text, for an emulator that is to be reached over https. */
export interface TlsIdentity {
  readonly key: string;
  readonly cert: string;
}

/** An emulator that accepts connections. `close` is done when its state is on disk and its port is free. */
export interface RunningEmulator {
  readonly port: number;
  close(): Promise<void>;
}

/** The port an emulator was told to listen on belongs to another process. */
export class PortTakenError extends Error {
  readonly port: number;

  constructor(port: number) {
    super(
      `Port ${port} on 127.0.0.1 is taken by another process. Stop that process, or set LANDFALL_PORT_BASE to move all ports of the local stack.`,
    );
    this.name = 'PortTakenError';
    this.port = port;
  }
}

/** An http server, or an https server when an identity is given. */
export function createLoopbackServer(
  tls: TlsIdentity | undefined,
  serve: (request: IncomingMessage, response: ServerResponse) => void,
): Server {
  // Longer than clients keep idle connections, so that none sends a request into one that is just being closed.
  const options = { keepAliveTimeout: 120_000 };
  return tls === undefined
    ? createHttpServer(options, serve)
    : createHttpsServer({ ...options, key: tls.key, cert: tls.cert }, serve);
}

/** Listens on 127.0.0.1; port 0 takes a free one. Returns the port. Throws `PortTakenError`. */
export async function listenOnLoopback(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' ? new PortTakenError(port) : error),
    );
    server.listen(port, '127.0.0.1', resolve);
  });
  return (server.address() as AddressInfo).port;
}

/** Refuses new connections, cuts the open ones, and waits until the port is free. */
export async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}

/**
 * Runs an emulator as the process: prints `{"ready":true,"service":…,"port":…}` as one line when it accepts
 * connections, closes it on SIGTERM and SIGINT, and exits 1 with one line on stderr when it cannot start.
 */
export async function runEmulator(service: string, start: () => Promise<RunningEmulator>): Promise<void> {
  let emulator: RunningEmulator;
  try {
    emulator = await start();
  } catch (error) {
    console.error(`${service}: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  }
  const shutDown = (): void => {
    emulator.close().then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(`${service}: could not shut down cleanly:`, error);
        process.exit(1);
      },
    );
  };
  process.once('SIGTERM', shutDown);
  process.once('SIGINT', shutDown);
  console.log(JSON.stringify({ ready: true, service, port: emulator.port }));
}
