// The storage emulator as a process: node emulators/storage/main.ts --config storage.json --data <folder> --port <n>
// The configuration is `{ "accounts": [{ "name", "key", "hierarchical"?, "events"? }], "archiveRehydrateSeconds"? }`.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { runEmulator } from '../emulator-process.ts';
import { startStorage } from './storage.ts';

const ConfigurationSchema = z.strictObject({
  accounts: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[a-z0-9]{3,24}$/, 'must be 3 to 24 lower-case letters and digits'),
        key: z.base64(),
        hierarchical: z.boolean().optional(),
        events: z.boolean().optional(),
      }),
    )
    .min(1),
  archiveRehydrateSeconds: z.number().min(0).optional(),
});

const { values } = parseArgs({
  options: {
    config: { type: 'string' },
    data: { type: 'string' },
    port: { type: 'string', default: '10000' },
    'azurite-port': { type: 'string', default: '0' },
    'event-grid': { type: 'string' },
    'tls-key': { type: 'string' },
    'tls-cert': { type: 'string' },
    oauth: { type: 'boolean', default: false },
  },
});

await runEmulator('storage', async () => {
  if (values.config === undefined || values.data === undefined)
    throw new Error('Name the configuration file with --config and the data folder with --data.');
  const parsed = ConfigurationSchema.safeParse(JSON.parse(readFileSync(values.config, 'utf8')));
  if (!parsed.success) throw new Error(`${values.config}: ${z.prettifyError(parsed.error)}`);
  const key = values['tls-key'];
  const cert = values['tls-cert'];
  return startStorage({
    ...parsed.data,
    dataFolder: values.data,
    port: Number(values.port),
    azuritePort: Number(values['azurite-port']),
    eventGridEndpoint: values['event-grid'],
    tls:
      key === undefined || cert === undefined
        ? undefined
        : { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') },
    oauth: values.oauth,
  });
});
