// The Batch emulator as a process: node emulators/batch/main.ts --data <folder> --port <n> --account <name> --key <base64>
// --images images.json --image-root <folder>. Or --config with `{ "account": { "name", "key" }, "images"?, "quotas"? }`.
// --task-module <file> takes the place of child processes: a module that exports `runTask(task, signal)` and returns the
// exit code. It is handed in by who measures, and is no part of the emulator.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { runEmulator } from '../emulator-process.ts';
import { startBatch } from './batch.ts';
import { ImageMapSchema } from './image-map.ts';
import type { RunTask } from './task-process.ts';

const ConfigurationSchema = z.strictObject({
  account: z.strictObject({ name: z.string().min(3), key: z.base64() }).optional(),
  images: ImageMapSchema.optional(),
  quotas: z
    .strictObject({ activeJobsMax: z.number().int().min(1), tasksPerAddMax: z.number().int().min(1) })
    .optional(),
});

const { values } = parseArgs({
  options: {
    config: { type: 'string' },
    data: { type: 'string' },
    port: { type: 'string', default: '10080' },
    account: { type: 'string' },
    key: { type: 'string' },
    images: { type: 'string' },
    'image-root': { type: 'string' },
    'task-module': { type: 'string' },
    'tls-key': { type: 'string' },
    'tls-cert': { type: 'string' },
  },
});

await runEmulator('batch', async () => {
  if (values.data === undefined) throw new Error('Name the data folder with --data.');
  const parsed = ConfigurationSchema.safeParse(values.config === undefined ? {} : readJson(values.config));
  if (!parsed.success) throw new Error(`${values.config}: ${z.prettifyError(parsed.error)}`);
  const configuration = parsed.data;
  const name = values.account ?? configuration.account?.name;
  const key = values.key ?? configuration.account?.key;
  if (name === undefined || key === undefined)
    throw new Error('Name the account with --account and its key with --key, or both in the configuration.');
  const images = values.images === undefined ? undefined : ImageMapSchema.safeParse(readJson(values.images));
  if (images?.success === false) throw new Error(`${values.images}: ${z.prettifyError(images.error)}`);
  const tlsKey = values['tls-key'];
  const tlsCert = values['tls-cert'];
  return startBatch({
    account: { name, key },
    dataFolder: values.data,
    port: Number(values.port),
    images: images?.data ?? configuration.images,
    imageRootFolder: values['image-root'],
    runTask: values['task-module'] === undefined ? undefined : await runTaskOf(values['task-module']),
    quotas: configuration.quotas,
    tls:
      tlsKey === undefined || tlsCert === undefined
        ? undefined
        : { key: readFileSync(tlsKey, 'utf8'), cert: readFileSync(tlsCert, 'utf8') },
  });
});

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'));
}

async function runTaskOf(file: string): Promise<RunTask> {
  const module = (await import(pathToFileURL(resolve(file)).href)) as Readonly<Record<string, unknown>>;
  const { runTask } = module;
  if (typeof runTask !== 'function') throw new Error(`${file} exports no function runTask(task, signal).`);
  return runTask as RunTask;
}
