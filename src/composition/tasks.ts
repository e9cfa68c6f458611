import { AzureBatchTaskRunner } from '#adapters/azure/batch/azure-batch-task-runner.ts';
import type { BatchSettings } from '#adapters/azure/batch/batch-client.ts';
import { createBatchPools } from '#adapters/azure/batch/create-pools.ts';
import { accessOf } from '#adapters/azure/credentials.ts';
import type { TaskRunner } from '#domain/ports/task-runner.ts';
import type { ServiceCalls } from '#domain/ports/telemetry.ts';
import type { Settings } from './settings.ts';

const POOLS = { orchestrator: 'orchestrator', execution: 'execution' } as const;

/** Slots on a laptop: copying is waiting, extraction is computing. */
const LOCAL_POOLS = [
  { id: POOLS.orchestrator, nodes: 1, slotsPerNode: 4 },
  { id: POOLS.execution, nodes: 1, slotsPerNode: 4 },
];

function batchSettings({ batch }: Settings): BatchSettings {
  return { endpoint: batch.endpoint, account: batch.account, access: accessOf(batch) };
}

/** @param environment what every task needs to reach storage and the metadata API. */
export function taskRunnerOf(
  settings: Settings,
  environment: Readonly<Record<string, string>>,
  calls: ServiceCalls,
): TaskRunner {
  return new AzureBatchTaskRunner({
    ...batchSettings(settings),
    pools: POOLS,
    images: settings.taskImages,
    environment,
    calls,
    now: () => new Date(),
  });
}

export async function createPools(settings: Settings): Promise<void> {
  await createBatchPools(batchSettings(settings), LOCAL_POOLS);
}
