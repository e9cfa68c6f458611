import { enableCompileCache } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '#adapters/node/system-clock.ts';
import { HttpTaskReporter } from '#adapters/task-reporter/http-task-reporter.ts';
import type { TableReader } from '#domain/ports/table-reader.ts';
import type { TableWriter } from '#domain/ports/table-writer.ts';
import type { Telemetry } from '#domain/ports/telemetry.ts';
import { TASK_CONFIGURATION_VARIABLE, type TaskConfiguration } from '#domain/task-configuration.ts';
import type { BlobLocation } from '#domain/vocabulary.ts';
import type { Decompressors } from '#formats/recording-reader.ts';
import { executeTask, type TaskEnvironment, TaskExit } from './execute-task.ts';
import { readTaskSettings, SettingsError, type TaskSettings } from './settings.ts';
import { type StartedTelemetry, startTelemetry } from './start-telemetry.ts';
import type { TaskDefinition } from './task-tools.ts';

/**
 * The entry of all task containers: `await runTask(definition)` is all their main.ts says. Ends the process with
 * the task's exit code; what is wrong with the process itself goes to standard error, which Batch keeps.
 */
export async function runTask<Configuration extends TaskConfiguration>(
  definition: TaskDefinition<Configuration>,
): Promise<void> {
  enableCompileCache();
  let exit: TaskExit = TaskExit.retryable;
  let watched: StartedTelemetry | undefined;
  try {
    const settings = readTaskSettings(process.env);
    watched = await startTelemetry('tasks', settings, definition.image);
    const environment = await taskEnvironment(settings, watched.telemetry);
    exit = await executeTask(definition, configurationLocation(process.env), environment);
  } catch (error) {
    console.error(error);
    if (error instanceof SettingsError) exit = TaskExit.terminal;
  }
  await watched?.close();
  // Worker threads of table writers would keep the process alive.
  process.exit(exit);
}

/** The configuration blob that Batch names to a task. */
export function configurationLocation(
  environment: Readonly<Record<string, string | undefined>>,
): BlobLocation {
  const value = environment[TASK_CONFIGURATION_VARIABLE] ?? '';
  const [account, container, ...path] = value.split('/');
  if (account === undefined || container === undefined || path.length === 0)
    throw new SettingsError(
      `${TASK_CONFIGURATION_VARIABLE} is "${value}"; it must be account/container/path. Batch sets it: a task is started by its stage, not by hand.`,
    );
  return { account, container, path: path.join('/') };
}

/** What a task process is made of, from its settings. */
export async function taskEnvironment(
  settings: TaskSettings,
  telemetry: Telemetry,
): Promise<TaskEnvironment> {
  const { blobStoreOf } = await import('./storage.ts');
  const clock = new SystemClock();
  return {
    blobs: blobStoreOf(settings, telemetry),
    clock,
    telemetry,
    reporter: new HttpTaskReporter(settings.api, (ms) => clock.wait(ms), await apiTokenOf(settings)),
    tableWriter: lazyTableWriter(),
    tableReader: lazyTableReader(),
    decompressors: lazyDecompressors(),
    scratchRoot: settings.scratchRoot ?? join(tmpdir(), 'landfall-tasks'),
  };
}

/** With the node's identity where the API wants tokens; never without one there. */
async function apiTokenOf(settings: TaskSettings): Promise<(() => Promise<string>) | undefined> {
  const { apiClientId, identityClientId } = settings;
  if (apiClientId === undefined) return undefined;
  const { apiTokens } = await import('#adapters/azure/api-token.ts');
  const identity = identityClientId === undefined ? {} : { clientId: identityClientId };
  return apiTokens({ auth: 'managed-identity', ...identity }, apiClientId);
}

/** DuckDB takes longer to load than many tasks to work: those that write no table never load it. */
function lazyTableWriter(): TableWriter {
  let loaded: Promise<TableWriter> | undefined;
  return {
    open: async (localPath, definition) => {
      loaded ??= import('#adapters/parquet/parquet-table-writer.ts').then(
        ({ ParquetTableWriter }) => new ParquetTableWriter(),
      );
      return (await loaded).open(localPath, definition);
    },
  };
}

function lazyTableReader(): TableReader {
  let loaded: Promise<TableReader> | undefined;
  const load = () => {
    loaded ??= import('#adapters/parquet/parquet-table-reader.ts').then(
      ({ ParquetTableReader }) => new ParquetTableReader(),
    );
    return loaded;
  };
  return {
    describe: async (localPath) => (await load()).describe(localPath),
    async *read(localPath, columns, options) {
      yield* (await load()).read(localPath, columns, options);
    },
  };
}

/** Libraries that decompress are loaded when the first chunk needs them. */
export function lazyDecompressors(): Decompressors {
  let loaded: Promise<Decompressors> | undefined;
  const decompressor =
    (kind: keyof Decompressors): Decompressors[keyof Decompressors] =>
    async (compressed, sizeBytesMax, end) => {
      loaded ??= import('#adapters/compression/decompressors.ts').then(({ createDecompressors }) =>
        createDecompressors(),
      );
      return (await loaded)[kind](compressed, sizeBytesMax, end);
    };
  return {
    'lz4-frame': decompressor('lz4-frame'),
    'lz4-block': decompressor('lz4-block'),
    bz2: decompressor('bz2'),
    zstd: decompressor('zstd'),
    deflate: decompressor('deflate'),
  };
}
