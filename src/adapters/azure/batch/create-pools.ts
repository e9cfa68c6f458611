import { codeOf } from '../service-failure.ts';
import { type BatchSettings, connectBatch } from './batch-client.ts';

/** Creates what Bicep creates in Azure. For the local stack, where a node is a share of this machine. */
export async function createBatchPools(
  settings: BatchSettings,
  pools: readonly { readonly id: string; readonly nodes: number; readonly slotsPerNode: number }[],
): Promise<void> {
  const client = connectBatch(settings);
  for (const { id, nodes, slotsPerNode } of pools) {
    try {
      await client.pool.add({
        id,
        vmSize: 'STANDARD_D2S_V3',
        targetDedicatedNodes: nodes,
        taskSlotsPerNode: slotsPerNode,
        virtualMachineConfiguration: {
          imageReference: { publisher: 'microsoft-dsvm', offer: 'ubuntu-hpc', sku: '2204' },
          nodeAgentSKUId: 'batch.node.ubuntu 22.04',
          containerConfiguration: {},
        },
      });
    } catch (error) {
      if (codeOf(error) !== 'PoolExists') throw error;
    }
  }
}
