/** The Service Bus emulator as a process. Usage: see `USAGE`. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { EntitiesFileError, parseEntitiesFile } from './entities-file.ts';
import { DataFolderInUseError } from './message-store.ts';
import { DEFAULT_ACCESS_KEY, type ServiceBusEmulator, startServiceBus } from './service-bus.ts';

const USAGE = `Usage: node emulators/service-bus/main.ts --entities <file> [--data <folder>] [--port 5672]
  [--admin-port 5300] [--key-name ${DEFAULT_ACCESS_KEY.name}] [--key ${DEFAULT_ACCESS_KEY.value}]`;

const flags = readFlags();
const emulator = await start();
console.log(
  JSON.stringify({
    ready: true,
    service: 'service-bus',
    port: emulator.port,
    adminPort: emulator.adminPort,
  }),
);
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop);

async function start(): Promise<ServiceBusEmulator> {
  try {
    return await startServiceBus({
      entities: { parsed: parseEntitiesFile(readFileSync(flags.entities, 'utf8'), flags.entities) },
      dataFolder: flags.data,
      port: flags.port,
      adminPort: flags.adminPort,
      keyName: flags.keyName,
      key: flags.key,
    });
  } catch (error) {
    const { code, path, port } = error as NodeJS.ErrnoException & { port?: number };
    if (code === 'EADDRINUSE') {
      fail(
        `Port ${port} is taken. Stop what listens there, or choose another with --port and --admin-port ` +
          '(the local stack: set LANDFALL_PORT_BASE).',
      );
    }
    if (code === 'ENOENT' && path === flags.entities) fail(`The entities file ${path} does not exist.`);
    if (error instanceof EntitiesFileError || error instanceof DataFolderInUseError) fail(error.message);
    throw error;
  }
}

function stop(): void {
  emulator.close().then(
    () => process.exit(0),
    (error: unknown) => fail(`The emulator did not close cleanly: ${String(error)}`),
  );
}

function readFlags(): {
  entities: string;
  data: string | undefined;
  port: number;
  adminPort: number;
  keyName: string;
  key: string;
} {
  const { values } = parseArgs({
    options: {
      entities: { type: 'string' },
      data: { type: 'string' },
      port: { type: 'string', default: '5672' },
      'admin-port': { type: 'string', default: '5300' },
      'key-name': { type: 'string', default: DEFAULT_ACCESS_KEY.name },
      key: { type: 'string', default: DEFAULT_ACCESS_KEY.value },
    },
  });
  if (values.entities === undefined) fail(`--entities is missing.\n${USAGE}`);
  return {
    entities: values.entities,
    data: values.data,
    port: portOf('--port', values.port),
    adminPort: portOf('--admin-port', values['admin-port']),
    keyName: values['key-name'],
    key: values.key,
  };
}

function portOf(flag: string, text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) fail(`${flag} ${text} is no port (0 to 65535).`);
  return port;
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
