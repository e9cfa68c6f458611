// A Batch emulator in a temporary folder and the SDK's client for it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BatchServiceClient, type BatchServiceModels, BatchSharedKeyCredentials } from '@azure/batch';

export const BATCH_ACCOUNT = { name: 'batchlocal', key: Buffer.from('b'.repeat(64)).toString('base64') };

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'landfall-batch-'));
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

export function batchClient(endpoint: string, key = BATCH_ACCOUNT.key): BatchServiceClient {
  return new BatchServiceClient(new BatchSharedKeyCredentials(BATCH_ACCOUNT.name, key), endpoint, {
    noRetryPolicy: true,
  });
}

export async function addPool(
  client: BatchServiceClient,
  id = 'small',
  { nodes = 1, slotsPerNode = 4 }: { nodes?: number; slotsPerNode?: number } = {},
): Promise<void> {
  await client.pool.add({
    id,
    vmSize: 'STANDARD_D2S_V3',
    targetDedicatedNodes: nodes,
    taskSlotsPerNode: slotsPerNode,
    virtualMachineConfiguration: {
      imageReference: {
        publisher: 'microsoft-azure-batch',
        offer: 'ubuntu-server-container',
        sku: '20-04-lts',
      },
      nodeAgentSKUId: 'batch.node.ubuntu 20.04',
    },
  });
}

export async function addJob(
  client: BatchServiceClient,
  id: string,
  rest: Partial<BatchServiceModels.JobAddParameter> = {},
): Promise<void> {
  await client.job.add({ id, poolInfo: { poolId: 'small' }, usesTaskDependencies: true, ...rest });
}

/** A command line that runs a piece of JavaScript. */
export function javascript(code: string): string {
  return `"${process.execPath}" -e "${code.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** Waits until the task is as wanted and returns it; fails with what it was like instead. */
export async function untilTask(
  client: BatchServiceClient,
  jobId: string,
  taskId: string,
  wanted: (task: BatchServiceModels.TaskGetResponse) => boolean = ({ state }) => state === 'completed',
  deadlineMs = 8_000,
): Promise<BatchServiceModels.TaskGetResponse> {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    const task = await client.task.get(jobId, taskId);
    if (wanted(task)) return task;
    if (Date.now() > deadline)
      throw new Error(`${jobId}/${taskId} is ${task.state}: ${JSON.stringify(task.executionInfo)}`);
    await delay(20);
  }
}
