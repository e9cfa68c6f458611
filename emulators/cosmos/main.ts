// The Cosmos DB emulator as a process of its own.
import { enableCompileCache } from 'node:module';
import { parseArgs } from 'node:util';

// Compiling is most of what a start costs, so the rest is imported with the cache on.
enableCompileCache();
const { startCosmos } = await import('./server.ts');

const USAGE = 'Usage: node emulators/cosmos/main.ts --data <folder> [--port 8081] [--key <base64>]';

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    port: { type: 'string', default: '8081' },
    key: { type: 'string' },
  },
});
const port = Number(values.port);
if (values.data === undefined || !Number.isInteger(port) || port < 0 || port > 65_535) {
  console.error(USAGE);
  process.exit(2);
}

try {
  const { data: dataFolder, key } = values;
  const emulator = await startCosmos({ dataFolder, port, ...(key === undefined ? {} : { key }) });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      emulator.close().then(
        () => process.exit(0),
        (error: unknown) => {
          console.error(error);
          process.exit(1);
        },
      );
    });
  }
  console.log(JSON.stringify({ ready: true, service: 'cosmos', port: emulator.port }));
} catch (error) {
  if (!(error instanceof Error)) throw error;
  console.error(startFailure(error));
  process.exit(1);
}

function startFailure(error: Error): string {
  if ('code' in error && error.code === 'EADDRINUSE') {
    return `Port ${port} is taken, so the Cosmos DB emulator cannot start. Choose another one with --port, or set LANDFALL_PORT_BASE for the whole local stack.`;
  }
  return `The Cosmos DB emulator cannot start: ${error.message}`;
}
