// Azure Batch on loopback: the data plane over HTTP, tasks as child processes of this process.
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  closeServer,
  createLoopbackServer,
  listenOnLoopback,
  type RunningEmulator,
  type TlsIdentity,
} from '../emulator-process.ts';
import { FaultPlan } from '../faults.ts';
import { BatchAccount, DEFAULT_QUOTAS, type Quotas } from './batch-account.ts';
import { BatchFront } from './batch-front.ts';
import { BatchStore } from './batch-store.ts';
import type { ImageMap } from './image-map.ts';
import { Scheduler } from './scheduler.ts';
import { killOrphans, type RunTask } from './task-process.ts';

export interface BatchOptions {
  readonly account: { readonly name: string; readonly key: string };
  /** The account's state, and the folders of its tasks. */
  readonly dataFolder: string;
  /** 0, the default, takes a free one. */
  readonly port?: number | undefined;
  /** Which program stands for which image; without an entry a task with that image fails. */
  readonly images?: ImageMap | undefined;
  /** Where the files the image map names lie; the current folder by default. */
  readonly imageRootFolder?: string | undefined;
  /** Takes the place of child processes, for tests: gets each task and returns its exit code. */
  readonly runTask?: RunTask | undefined;
  readonly quotas?: Partial<Quotas> | undefined;
  readonly tls?: TlsIdentity | undefined;
}

export interface RunningBatch extends RunningEmulator {
  /** The account's address. */
  readonly endpoint: string;
  readonly faults: FaultPlan;
  /** Loses nodes, all that fit: what ran on them runs again. Returns the ids of those tasks. */
  loseNodes(which?: { poolId?: string | undefined; nodeId?: string | undefined }): string[];
}

/** Starts Batch. Tasks that were running when it was killed are killed too, and run again. Throws `PortTakenError`. */
export async function startBatch(options: BatchOptions): Promise<RunningBatch> {
  const nodeFolder = resolve(options.dataFolder, 'node');
  mkdirSync(join(nodeFolder, 'shared'), { recursive: true });
  const faults = new FaultPlan();
  // Listening comes first: a second emulator on the same files must fail before it touches them.
  let serve: BatchFront['serve'] | undefined;
  const server = createLoopbackServer(options.tls, (request, response) => serve?.(request, response));
  const port = await listenOnLoopback(server, options.port ?? 0);
  const endpoint = `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
  const store = new BatchStore(options.dataFolder);
  for (const { taskId, processGroup } of store.takeProcessGroups()) killOrphans(processGroup, taskId);
  const account = new BatchAccount(store, () => endpoint, { ...DEFAULT_QUOTAS, ...options.quotas });
  const scheduler = new Scheduler(account, {
    accountName: options.account.name,
    accountUrl: () => endpoint,
    nodeFolder,
    images: options.images ?? {},
    imageRootFolder: resolve(options.imageRootFolder ?? '.'),
    runTask: options.runTask,
  });
  const front = new BatchFront({ ...options.account, endpoint, account, scheduler, faults });
  serve = (request, response) => front.serve(request, response);
  return {
    port,
    endpoint,
    faults,
    loseNodes: ({ poolId, nodeId } = {}) =>
      scheduler.loseNodes(
        (node, pool) =>
          (poolId === undefined || pool === poolId) && (nodeId === undefined || node === nodeId),
      ),
    close: async () => {
      await closeServer(server);
      await scheduler.stop();
      store.close();
    },
  };
}
