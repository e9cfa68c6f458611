// An account to test against: the emulator in this process, the real SDK in front of it.
import { createHmac } from 'node:crypto';
import {
  type Container,
  type ContainerRequest,
  CosmosClient,
  type Database,
  type ErrorResponse,
} from '@azure/cosmos';
import { type CosmosEmulator, type CosmosOptions, startCosmos } from '#emulators/cosmos/server.ts';

export interface Account {
  readonly emulator: CosmosEmulator;
  readonly client: CosmosClient;
  readonly database: Database;
  container(request: ContainerRequest): Promise<Container>;
  close(): Promise<void>;
}

export async function startAccount(options: Partial<CosmosOptions> = {}): Promise<Account> {
  const emulator = await startCosmos({ port: 0, ...options });
  const client = connect(emulator);
  const { database } = await client.databases.createIfNotExists({ id: 'landfall' });
  return {
    emulator,
    client,
    database,
    container: async (request) => (await database.containers.createIfNotExists(request)).container,
    async close() {
      client.dispose();
      await emulator.close();
    },
  };
}

export function connect({ endpoint, key }: { endpoint: string; key: string }): CosmosClient {
  return new CosmosClient({ endpoint, key, connectionPolicy: { enableEndpointDiscovery: false } });
}

/** What the SDK's error says, `400/1001`, or `accepted`. */
export async function statusOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'accepted';
  } catch (error) {
    const { code, substatus } = error as ErrorResponse;
    return substatus === undefined || substatus === 0 ? String(code) : `${code}/${substatus}`;
  }
}

/** A request as another client than the JavaScript SDK would send it, signed for `resource`. */
export function signedRequest(
  emulator: CosmosEmulator,
  method: string,
  path: string,
  { type, resource }: { type: string; resource: string },
  headers: Record<string, string> = {},
  body?: string | Buffer,
): Promise<Response> {
  const date = new Date().toUTCString();
  const text = `${method.toLowerCase()}\n${type}\n${resource}\n${date.toLowerCase()}\n\n`;
  const signature = createHmac('sha256', Buffer.from(emulator.key, 'base64')).update(text).digest('base64');
  const authorization = encodeURIComponent(`type=master&ver=1.0&sig=${signature}`);
  return fetch(emulator.endpoint + path, {
    method,
    headers: { authorization, 'x-ms-date': date, 'x-ms-version': '2020-07-15', ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : new Uint8Array(body) }),
  });
}
