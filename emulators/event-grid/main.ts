// The Event Grid emulator as a process:
// node emulators/event-grid/main.ts --config event-grid.json --data <folder> --port <n> --service-bus <connection
// string> --storage <connection string> (once for each account with dead letters) --time-scale <factor>
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { runEmulator } from '../emulator-process.ts';
import type { ConfigurationInput } from './configuration.ts';
import { startEventGrid } from './event-grid.ts';

const { values } = parseArgs({
  options: {
    config: { type: 'string' },
    data: { type: 'string' },
    port: { type: 'string', default: '10090' },
    'service-bus': { type: 'string' },
    storage: { type: 'string', multiple: true },
    'time-scale': { type: 'string', default: '1' },
    'tls-key': { type: 'string' },
    'tls-cert': { type: 'string' },
  },
});

await runEmulator('event-grid', async () => {
  if (values.config === undefined || values.data === undefined)
    throw new Error('Name the configuration file with --config and the data folder with --data.');
  const key = values['tls-key'];
  const cert = values['tls-cert'];
  return startEventGrid({
    configuration: JSON.parse(readFileSync(values.config, 'utf8')) as ConfigurationInput,
    dataFolder: values.data,
    port: Number(values.port),
    serviceBusConnectionString: values['service-bus'],
    storageConnectionStrings: values.storage,
    timeScale: Number(values['time-scale']),
    tls:
      key === undefined || cert === undefined
        ? undefined
        : { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') },
  });
});
