import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { serviceBusEntities } from '#adapters/azure/service-bus/entities.ts';
import { CommandError, EXIT } from '#adapters/cli/exit-codes.ts';
import { LANDING_QUEUE } from '#domain/topology.ts';
import { EVENTS_TOPIC_NAME, type LocalStack, serviceBusKeyOf } from './local-stack.ts';
import { type ProcessDefinition, type RunningProcess, Supervisor } from './supervisor.ts';
import { endOrphans, readUpFile, removeUpFile, writeUpFile } from './up-file.ts';

/** The folder of the checkout: emulators and tasks are started from there. */
const ROOT = join(import.meta.dirname, '..', '..');

export interface UpOptions {
  readonly stack: LocalStack;
  /** Variables that override or add to the stack's own, such as shorter waiting times. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly onStep: (step: string) => void;
  /** Creates databases, containers and pools; handed in so that starting processes loads no SDK. */
  readonly provision: () => Promise<void>;
}

export interface RunningStack {
  stop(): Promise<void>;
  processes(): readonly RunningProcess[];
}

/** Roles that share a process on a laptop; in Azure each has its own. */
export const LAPTOP_PROCESSES: readonly { readonly name: string; readonly roles: string }[] = [
  { name: 'saga', roles: 'saga,relay,sweeps,dead-letters' },
  { name: 'handlers', roles: 'road' },
  { name: 'api', roles: 'api' },
];

/** Where Event Grid puts events it could not deliver. */
const DEAD_LETTERS = { account: 'operations', container: 'event-grid-dead-letters' };

const EMULATOR_READY_WITHIN_MS = 30_000;
const WORKER_READY_WITHIN_MS = 60_000;

/**
 * Starts everything. What a killed run of this folder has left behind is ended first.
 * @throws {CommandError} when it is running already, or a port is taken.
 */
export async function startStack(options: UpOptions): Promise<RunningStack> {
  const { stack, onStep } = options;
  const running = readUpFile(stack);
  if (running !== undefined) {
    throw new CommandError(
      `The stack of ${stack.home} is running already (process ${running.pid}). Stop it with \`landfall down\`.`,
    );
  }
  const orphans = await endOrphans(stack);
  if (orphans.length > 0) onStep(`ended what a killed run had left: ${orphans.join(', ')}`);
  await assertPortsFree(stack);
  const startedAt = new Date().toISOString();
  let ready = false;
  const supervisor: Supervisor = new Supervisor(join(stack.home, 'logs'), () => record());
  const record = () => writeUpFile(stack, { ready, startedAt, processes: supervisor.running() });
  const stop = async () => {
    await supervisor.stop();
    removeUpFile(stack);
  };
  const timesMs = new Map<string, number>();
  const start = async (definition: ProcessDefinition) => {
    timesMs.set(definition.name, await supervisor.start(definition));
  };
  try {
    writeConfigurations(stack, { ...process.env, ...options.environment });
    for (const definition of emulators(stack, options.environment)) {
      onStep(`starting ${definition.name}`);
      await start(definition);
    }
    onStep('creating databases, containers and pools');
    await options.provision();
    onStep('starting the workers and the API');
    await Promise.all(workers(stack, options.environment).map(start));
  } catch (error) {
    await stop();
    throw error;
  }
  ready = true;
  record();
  onStep(startTimesText(timesMs));
  return { stop, processes: () => supervisor.running() };
}

/** In the order in which they became ready. The workers start side by side: their times are not to be added up. */
function startTimesText(timesMs: ReadonlyMap<string, number>): string {
  const times = [...timesMs].map(([name, ms]) => `${name} ${(ms / 1000).toFixed(1)} s`);
  return `ready after: ${times.join(', ')}`;
}

/** Names a module that runs tasks inside the Batch emulator: for benches of the road without task processes. */
const TASK_MODULE_VARIABLE = 'LANDFALL_BATCH_TASK_MODULE';

function emulators(stack: LocalStack, environment: UpOptions['environment']): readonly ProcessDefinition[] {
  const { ports, home } = stack;
  const taskModule = environment[TASK_MODULE_VARIABLE] ?? process.env[TASK_MODULE_VARIABLE];
  const config = (name: string) => join(home, 'config', name);
  const data = (name: string) => join(home, 'data', name);
  const emulator = (name: string, flags: Readonly<Record<string, string | number>>): ProcessDefinition => ({
    name,
    command: [
      process.execPath,
      join(ROOT, 'emulators', name, 'main.ts'),
      ...Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, String(value)]),
    ],
    environment: {
      ...process.env,
      ...stack.environment,
      ...environment,
      NODE_COMPILE_CACHE: join(home, 'compile-cache'),
    },
    readyWithinMs: EMULATOR_READY_WITHIN_MS,
  });
  return [
    emulator('service-bus', {
      entities: config('service-bus-entities.json'),
      data: data('service-bus'),
      port: ports.serviceBus,
      'admin-port': ports.serviceBusAdmin,
      key: serviceBusKeyOf(stack),
    }),
    emulator('cosmos', {
      data: data('cosmos'),
      port: ports.cosmos,
      key: stack.environment['LANDFALL_COSMOS_KEY'] ?? '',
    }),
    emulator('event-grid', {
      config: config('event-grid.json'),
      data: data('event-grid'),
      port: ports.eventGrid,
      'service-bus': stack.environment['LANDFALL_SERVICE_BUS_CONNECTION_STRING'] ?? '',
      storage: (
        JSON.parse(stack.environment['LANDFALL_STORAGE_CONNECTION_STRINGS'] ?? '{}') as Record<string, string>
      )[DEAD_LETTERS.account]!,
    }),
    emulator('storage', {
      config: config('storage.json'),
      data: data('storage'),
      port: ports.storage,
      'azurite-port': ports.azurite,
      'event-grid': `http://127.0.0.1:${ports.eventGrid}`,
    }),
    emulator('batch', {
      config: config('batch.json'),
      data: data('batch'),
      port: ports.batch,
      ...(taskModule === undefined ? {} : { 'task-module': taskModule }),
    }),
  ];
}

function workers(stack: LocalStack, environment: UpOptions['environment']): readonly ProcessDefinition[] {
  return LAPTOP_PROCESSES.map(({ name, roles }) => ({
    name,
    command: [process.execPath, join(ROOT, 'bin', 'landfall'), 'worker', '--roles', roles],
    environment: {
      ...process.env,
      ...stack.environment,
      ...environment,
      NODE_COMPILE_CACHE: join(stack.home, 'compile-cache'),
    },
    readyWithinMs: WORKER_READY_WITHIN_MS,
  }));
}

/** What the emulators are told; written at every start, so that a new version of the code is what runs. */
function writeConfigurations(stack: LocalStack, environment: UpOptions['environment']): void {
  const write = (name: string, content: object) =>
    writeFileSync(join(stack.home, 'config', name), JSON.stringify(content, null, 2), { mode: 0o600 });
  mkdirSync(join(stack.home, 'config'), { recursive: true });
  write('service-bus-entities.json', serviceBusEntities());
  const rehydrateSeconds = environment['LANDFALL_ARCHIVE_REHYDRATE_SECONDS'];
  write('storage.json', {
    // How long leaving the Archive tier takes; hours in Azure, at once here unless somebody asks for it.
    ...(rehydrateSeconds === undefined ? {} : { archiveRehydrateSeconds: Number(rehydrateSeconds) }),
    accounts: stack.accounts.map(({ name, key, hierarchical, zone }) => ({
      name,
      key,
      hierarchical,
      // As in Azure: only accounts that Event Grid has a subscription for are listened to.
      events: zone === 'landing',
    })),
  });
  write('event-grid.json', eventGridConfiguration(stack));
  write('batch.json', batchConfiguration(stack));
}

function eventGridConfiguration(stack: LocalStack): object {
  return {
    topics: [
      { name: EVENTS_TOPIC_NAME, key: stack.environment['LANDFALL_EVENT_GRID_KEY'], subscriptions: [] },
    ],
    systemTopics: [
      {
        account: 'landing',
        subscriptions: [
          {
            name: 'landing',
            schema: 'CloudEventSchemaV1_0',
            includedEventTypes: [
              'Microsoft.Storage.BlobCreated',
              'Microsoft.Storage.BlobDeleted',
              'Microsoft.Storage.BlobRenamed',
              'Microsoft.Storage.DirectoryRenamed',
              'Microsoft.Storage.DirectoryDeleted',
            ],
            subjectBeginsWith: '/blobServices/default/containers/recordings/',
            destination: { serviceBusQueue: LANDING_QUEUE },
            deadLetter: DEAD_LETTERS,
          },
        ],
      },
    ],
  };
}

/** Task images by name: in Azure a container, here the same entry point as a process. */
export const TASK_IMAGES = [
  'validate',
  'copy',
  'extract-validation',
  'extract-metadata',
  'extract-structured',
  'extract-camera',
  'extract-lidar',
  'extract-can',
  'sync',
  'enrich',
  'scene-detect',
  'package',
] as const;

function batchConfiguration(stack: LocalStack): object {
  return {
    account: {
      name: stack.environment['LANDFALL_BATCH_ACCOUNT'],
      key: stack.environment['LANDFALL_BATCH_KEY'],
    },
    images: Object.fromEntries(
      TASK_IMAGES.map((image) => [
        `landfall/${image}`,
        // The Node that runs this: the one on the path may be another.
        [process.execPath, join(ROOT, 'containers', image, 'main.ts')],
      ]),
    ),
  };
}

async function assertPortsFree(stack: LocalStack): Promise<void> {
  for (const [service, port] of Object.entries(stack.ports)) {
    if (!(await isFree(port))) {
      throw new CommandError(
        `Port ${port} (${service}) is taken by another program. Stop that program, or give the stack a block of 20 free ports, for example: LANDFALL_PORT_BASE=23000 landfall up`,
        EXIT.failed,
      );
    }
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
